"""The Avito channel."""

from __future__ import annotations

from typing import Final

from battcrm.transport.avito.client import BASE_URL
from battcrm.transport.avito.files import AvitoFiles
from battcrm.transport.avito.lifecycle import AvitoLifecycle
from battcrm.transport.avito.parse import parse
from battcrm.transport.avito.poll import AvitoPoller
from battcrm.transport.avito.send import CAPABILITIES, AvitoSender
from battcrm.transport.avito.verify import verify
from battcrm.transport.base import Manifest

MANIFEST: Final = Manifest(
    kind="avito",
    title="Avito",
    capabilities=CAPABILITIES,
    parse=parse,
    verify=verify,
    sender=AvitoSender,
    poller=AvitoPoller,
    lifecycle=AvitoLifecycle,
    files=AvitoFiles,
    reconciles=True,
    required_secrets=("client_id", "client_secret"),
    default_base_url=BASE_URL,
)
