"""The MAX channel."""

from __future__ import annotations

from typing import Final

from battcrm.transport.base import Manifest
from battcrm.transport.max.client import BASE_URL
from battcrm.transport.max.files import MaxFiles
from battcrm.transport.max.lifecycle import MaxLifecycle
from battcrm.transport.max.parse import parse
from battcrm.transport.max.poll import MaxPoller
from battcrm.transport.max.send import CAPABILITIES, MaxSender
from battcrm.transport.max.verify import verify

MANIFEST: Final = Manifest(
    kind="max",
    title="MAX",
    capabilities=CAPABILITIES,
    parse=parse,
    verify=verify,
    sender=MaxSender,
    poller=MaxPoller,
    lifecycle=MaxLifecycle,
    files=MaxFiles,
    required_secrets=("token", "webhook_secret"),
    default_base_url=BASE_URL,
)
