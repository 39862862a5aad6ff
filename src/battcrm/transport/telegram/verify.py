"""Authenticity of a Telegram webhook: the secret we registered comes back in a header."""

from __future__ import annotations

import hmac
from typing import Final

from battcrm.transport.base import ChannelAccount, Verdict, WebhookRequest

HEADER: Final = "x-telegram-bot-api-secret-token"


def verify(request: WebhookRequest, account: ChannelAccount) -> Verdict:
    """Constant-time comparison with the account's `webhook_secret`; an account without one accepts nothing."""
    expected = account.secrets.get("webhook_secret", "")
    given = request.headers.get(HEADER, "")
    if not expected:
        return Verdict(False, "the channel has no webhook secret")
    if not hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogateescape")):
        return Verdict(False, "secret header is missing or wrong")
    return Verdict(True)
