"""Avito authenticity: the unguessable address. Avito documents no signature, and its events are hints until re-read."""

from __future__ import annotations

import hmac

from battcrm.transport.base import ChannelAccount, Verdict, WebhookRequest


def verify(request: WebhookRequest, account: ChannelAccount) -> Verdict:
    """Constant-time comparison of the address with the account's `hook_key`; an account without one accepts nothing."""
    expected = account.secrets.get("hook_key", "")
    if not expected:
        return Verdict(False, "the channel has no webhook address")
    given = request.path_secret.encode("utf-8", "replace")
    return Verdict(True) if hmac.compare_digest(given, expected.encode()) else Verdict(False, "another address")
