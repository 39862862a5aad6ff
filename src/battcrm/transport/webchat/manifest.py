"""The web chat channel."""

from __future__ import annotations

from typing import Final

from battcrm.transport.base import Manifest, Reply
from battcrm.transport.webchat.parse import parse
from battcrm.transport.webchat.send import CAPABILITIES, WebchatSender
from battcrm.transport.webchat.verify import verify

MANIFEST: Final = Manifest(
    kind="webchat",
    title="Web chat",
    capabilities=CAPABILITIES,
    parse=parse,
    verify=verify,
    sender=WebchatSender,
    accepted=Reply(status=202),
    required_secrets=("session_secret",),
    live_feed=True,
)
