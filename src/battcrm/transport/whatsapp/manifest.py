"""The WhatsApp channel."""

from __future__ import annotations

from typing import Final

from battcrm.transport.base import Manifest
from battcrm.transport.whatsapp.client import BASE_URL
from battcrm.transport.whatsapp.compose import CAPABILITIES
from battcrm.transport.whatsapp.files import WhatsAppFiles
from battcrm.transport.whatsapp.lifecycle import WhatsAppLifecycle
from battcrm.transport.whatsapp.parse import parse
from battcrm.transport.whatsapp.send import WhatsAppSender
from battcrm.transport.whatsapp.verify import verify

MANIFEST: Final = Manifest(
    kind="whatsapp",
    title="WhatsApp",
    capabilities=CAPABILITIES,
    parse=parse,
    verify=verify,
    sender=WhatsAppSender,
    lifecycle=WhatsAppLifecycle,
    files=WhatsAppFiles,
    required_secrets=("token", "app_secret", "verify_token"),
    default_base_url=BASE_URL,
)
