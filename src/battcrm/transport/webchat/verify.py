"""Authenticity of a web chat message: the bearer token is ours and belongs to the visitor in the body."""

from __future__ import annotations

from battcrm.kit.errors import Invalid
from battcrm.transport import wire
from battcrm.transport.base import ChannelAccount, Verdict, WebhookRequest
from battcrm.transport.webchat.tokens import bearer, visitor_of


def verify(request: WebhookRequest, account: ChannelAccount) -> Verdict:
    """Accepts only a visitor speaking for themselves; an account without `session_secret` accepts nothing."""
    try:
        visitor = visitor_of(account, bearer(request.headers.get("authorization", "")))
        claimed = wire.decode_object(request.body, "the web chat").get("visitor_id")
    except Invalid as error:
        return Verdict(False, error.text)
    if visitor is None:
        return Verdict(False, "visitor token is missing or wrong")
    if claimed != visitor:
        return Verdict(False, "the message names another visitor")
    return Verdict(True)
