"""Visitor tokens: an unguessable visitor id with our signature; possession is the visitor's identity."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Final
from uuid import UUID

from battcrm.kit.errors import Invalid
from battcrm.transport.base import ChannelAccount

_VERSION: Final = "v1"


def new_visitor(random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """A fresh visitor id with 144 random bits."""
    return base64.urlsafe_b64encode(random_bytes(18)).decode()


def issue(account: ChannelAccount, visitor_id: str) -> str:
    """The token of a visitor of this chat. Invalid if the account has no `session_secret`."""
    return f"{_VERSION}.{visitor_id}.{_signature(_secret(account), account.channel_id, visitor_id)}"


def visitor_of(account: ChannelAccount, token: str) -> str | None:
    """The visitor a token belongs to, or None if this chat did not issue it. Constant-time."""
    version, _, rest = token.partition(".")
    visitor, _, given = rest.rpartition(".")
    if version != _VERSION or not visitor or len(token) > 200:
        return None
    expected = _signature(_secret(account), account.channel_id, visitor)
    same = hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogateescape"))
    return visitor if same else None


def bearer(header: str) -> str:
    """The token of an Authorization header, "" if there is none."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _secret(account: ChannelAccount) -> str:
    secret = account.secrets.get("session_secret", "")
    if not secret:
        raise Invalid("the web chat has no session secret", field="session_secret", code="required")
    return secret


def _signature(secret: str, channel_id: UUID, visitor: str) -> str:
    text = f"{_VERSION}:{channel_id}:{visitor}".encode("utf-8", "surrogateescape")
    return base64.urlsafe_b64encode(hmac.digest(secret.encode(), text, hashlib.sha256)).decode().rstrip("=")
