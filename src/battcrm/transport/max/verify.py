"""Authenticity of a MAX webhook: the secret we registered comes back in a header."""

from __future__ import annotations

import hmac
from typing import Final

from battcrm.transport.base import ChannelAccount, Verdict, WebhookRequest

HEADER: Final = "x-max-bot-api-secret"


def verify(request: WebhookRequest, account: ChannelAccount) -> Verdict:
    """Constant-time comparison with the account's `webhook_secret`; an account without one accepts nothing."""
    expected = account.secrets.get("webhook_secret", "")
    if not expected:
        return Verdict(False, "the channel has no webhook secret")
    given = request.headers.get(HEADER, "").encode("utf-8", "replace")
    return Verdict(True) if hmac.compare_digest(given, expected.encode()) else Verdict(False, "wrong secret header")
