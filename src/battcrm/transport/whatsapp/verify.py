"""WhatsApp authenticity: the GET challenge of the subscription, and HMAC-SHA256 over the raw body of every POST."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from battcrm.transport.base import ChannelAccount, Reply, Verdict, WebhookRequest

PLAIN: Final = "text/plain; charset=utf-8"
HEADER: Final = "x-hub-signature-256"


def verify(request: WebhookRequest, account: ChannelAccount) -> Verdict:
    """GET → the challenge or 403, at once. POST → whether the signature was made with the account's app secret."""
    if request.method.upper() == "GET":
        return _challenge(request, account)
    secret = account.secrets.get("app_secret", "")
    if not secret:
        return Verdict(False, "no app secret in the settings")
    given = request.headers.get(HEADER, "")
    if not given:
        return Verdict(False, "no signature")
    genuine = hmac.compare_digest(given.encode("utf-8", "replace"), sign(request.body, secret).encode())
    return Verdict(True) if genuine else Verdict(False, "wrong signature")


def sign(body: bytes, app_secret: str) -> str:
    """The value of X-Hub-Signature-256 for a body."""
    return "sha256=" + hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()


def _challenge(request: WebhookRequest, account: ChannelAccount) -> Verdict:
    expected = account.secrets.get("verify_token", "")
    given = request.query.get("hub.verify_token", "")
    same = hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode("utf-8", "replace"))
    if request.query.get("hub.mode") != "subscribe" or not expected or not same:
        return Verdict(False, "wrong verify token", Reply(403, b"", PLAIN))
    return Verdict(True, "subscription", Reply(200, request.query.get("hub.challenge", "").encode(), PLAIN))
