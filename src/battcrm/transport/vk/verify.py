"""VK authenticity: `secret` inside the body, and the community's id. There is no signature."""

from __future__ import annotations

import hmac

from battcrm.transport.base import ChannelAccount, Reply, Verdict, WebhookRequest
from battcrm.transport.wire import decode_object, ident

PLAIN = "text/plain; charset=utf-8"


def verify(request: WebhookRequest, account: ChannelAccount) -> Verdict:
    """Compare secret and community id in constant time; answer the `confirmation` handshake from the settings.

    The handshake may come without a secret (setting `confirmation_needs_secret` refuses that); a wrong one never passes.
    Raises Invalid for a body that is not JSON: without it there is nothing to check.
    """
    envelope = decode_object(request.body, "VK")
    if not _same(ident(envelope.get("group_id")) or "", account.account_ref):
        return Verdict(False, "another community")
    expected = account.secrets.get("webhook_secret", "")
    given = envelope.get("secret")
    genuine = bool(expected) and isinstance(given, str) and _same(given, expected)
    if envelope.get("type") == "confirmation":
        bare = given is None and not account.settings.get("confirmation_needs_secret", False)
        return _confirmation(account) if genuine or bare else Verdict(False, "wrong secret")
    return Verdict(True) if genuine else Verdict(False, "wrong secret")


def _confirmation(account: ChannelAccount) -> Verdict:
    code = account.settings.get("confirmation")
    if not isinstance(code, str) or not code:
        return Verdict(False, "no confirmation string in the settings")
    return Verdict(True, "confirmation", Reply(200, code.encode(), PLAIN))


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode("utf-8", "replace"))
