"""Seconds between the batches of the roles on the way of a message (docs/adr/0010).

What comes in gathers at the door, before anything has been promised, and goes through the rest together, unpaced; only
where turns end at times of their own do they gather once more. An idle role starts at once.
"""

from __future__ import annotations

from typing import Final

DOOR: Final = 0.03
COMMITS: Final = 0.01
OUTCOMES: Final = 0.1
"""Nobody waits for it but a chat's next message."""
