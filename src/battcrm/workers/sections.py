"""Every section of a tenant's document. A process that knew only some would take the whole document for invalid.

Importing this module registers them all; workers/runtime.py does, so every role and command does.
"""

from __future__ import annotations

from battcrm.graph.settings import PricingSettings
from battcrm.models.calls import ModelSettings
from battcrm.pipeline.intents import ContactSettings
from battcrm.pipeline.presence import PresenceSettings
from battcrm.pipeline.settings import DialogSettings
from battcrm.resolution.settings import ResolutionSettings
from battcrm.response.settings import ResponseSettings

ALL = (
    PricingSettings,
    ModelSettings,
    ContactSettings,
    DialogSettings,
    PresenceSettings,
    ResolutionSettings,
    ResponseSettings,
)
