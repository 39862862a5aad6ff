"""The Telegram channel."""

from __future__ import annotations

from typing import Final

from battcrm.transport.base import Manifest
from battcrm.transport.telegram.client import BASE_URL
from battcrm.transport.telegram.files import TelegramFiles
from battcrm.transport.telegram.lifecycle import TelegramLifecycle
from battcrm.transport.telegram.parse import parse
from battcrm.transport.telegram.poll import TelegramPoller
from battcrm.transport.telegram.send import CAPABILITIES, TelegramSender
from battcrm.transport.telegram.verify import verify

MANIFEST: Final = Manifest(
    kind="telegram",
    title="Telegram",
    capabilities=CAPABILITIES,
    parse=parse,
    verify=verify,
    sender=TelegramSender,
    poller=TelegramPoller,
    lifecycle=TelegramLifecycle,
    files=TelegramFiles,
    required_secrets=("token",),
    default_base_url=BASE_URL,
)
