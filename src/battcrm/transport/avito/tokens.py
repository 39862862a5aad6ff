"""Access tokens of Avito accounts: asked for once for everybody, renewed before they end.

A personal key (`client_id`, `client_secret`) asks again when the token ends. An OAuth application gets a new pair with
each renewal and loses the old one: such a pair is stored by the account's TokenStore before it is used.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from weakref import WeakKeyDictionary

from battcrm.infra.exchange import HttpResponse
from battcrm.kit.clock import Clock
from battcrm.kit.errors import AuthExpired, Invalid
from battcrm.kit.text import loads
from battcrm.models.unified import rfc3339
from battcrm.transport import base as ports
from battcrm.transport import wire
from battcrm.transport.avito.errors import result_of
from battcrm.transport.base import ChannelAccount, HttpClient

RENEW_AT: Final = 0.8
DEFAULT_LIFE: Final = 86_400
_SHORTEST_LIFE: Final = 60
_CREDENTIALS: Final = ("client_id", "client_secret", "refresh_token")


@dataclass(frozen=True, slots=True)
class Pair:
    """What Avito gave: `refresh_token` only to OAuth applications."""

    access_token: str = field(repr=False)
    renew_at: datetime
    refresh_token: str | None = field(default=None, repr=False)

    def document(self) -> dict[str, str]:
        """As it is stored."""
        known = {"access_token": self.access_token, "renew_at": rfc3339(self.renew_at) or ""}
        return known | ({"refresh_token": self.refresh_token} if self.refresh_token else {})


def _pair(document: ports.Tokens) -> Pair:
    return Pair(document["access_token"], datetime.fromisoformat(document["renew_at"]), document.get("refresh_token"))


@dataclass(slots=True)
class _Held:
    pair: Pair | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


# Sender, poller and lifecycle of one account share its token; locks belong to the event loop that made them.
_SHELVES: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Held]]] = WeakKeyDictionary()


class Tokens:
    """Tokens of one account."""

    def __init__(
        self,
        account: ChannelAccount,
        http: HttpClient,
        base: str,
        clock: Clock,
    ) -> None:
        """Raises Invalid if the account has no key."""
        for name in ("client_id", "client_secret"):
            if not account.secrets.get(name):
                raise Invalid(f"the {name} is missing", field=name, remedy="Avito → For professionals → API keys")
        self._account, self._http, self._base = account, http, base
        self._clock = clock
        given = (f"{name}={account.secrets.get(name, '')}" for name in _CREDENTIALS)
        named = "\x00".join((base, str(account.channel_id), *given))
        # Of the credentials that the tokens come from: other credentials have other tokens.
        self._key = hashlib.blake2b(named.encode("utf-8", "replace"), digest_size=16).hexdigest()

    def _held(self) -> _Held:
        shelf = _SHELVES.setdefault(asyncio.get_running_loop(), {})
        return shelf.setdefault(self._key, _Held())

    async def get(self) -> str:
        """A token with at least a fifth of its life left. AuthExpired if the key is refused; concurrent callers share."""
        held = self._held()
        if held.pair is not None and self._fresh(held.pair):
            return held.pair.access_token
        async with held.lock:
            if held.pair is None or not self._fresh(held.pair):
                held.pair = await self._renewed(held.pair)
            return held.pair.access_token

    def drop(self, access_token: str) -> None:
        """Avito refused this token: the next `get` asks for another. A token renewed meanwhile stays."""
        held = self._held()
        if held.pair is not None and held.pair.access_token == access_token:
            held.pair = Pair(access_token, self._clock.now(), held.pair.refresh_token)

    def _fresh(self, pair: Pair) -> bool:
        return self._clock.now() < pair.renew_at

    async def _renewed(self, old: Pair | None) -> Pair:
        store = self._account.tokens
        if store is None:
            return await self._another(old)
        refused = old.access_token if old else None

        def usable(document: ports.Tokens) -> bool:
            # Another process may have renewed what was refused here.
            return self._fresh(_pair(document)) and document["access_token"] != refused

        async def renew(document: ports.Tokens | None) -> ports.Tokens:
            return (await self._another(_pair(document) if document else old)).document()

        return _pair(await store.current(self._account, self._key, usable, renew))

    async def _another(self, old: Pair | None) -> Pair:
        refresh = (old.refresh_token if old else None) or self._account.secrets.get("refresh_token")
        return await self._ask({"grant_type": "refresh_token", "refresh_token": refresh} if refresh else _PERSONAL)

    @property
    def newest_refresh_token(self) -> str | None:
        """The refresh token that is good now, where one was given; the account's own may have been used up."""
        pair = self._held().pair
        return pair.refresh_token if pair else None

    async def exchange(self, code: str) -> Pair:
        """The first pair of an OAuth account, for the code that its owner's consent gave: its refresh token is the
        account's credential from then on."""
        pair = await self._ask({"grant_type": "authorization_code", "code": code})
        self._held().pair = pair
        return pair

    async def _ask(self, grant: Mapping[str, str]) -> Pair:
        secrets = self._account.secrets
        form = {**grant, "client_id": secrets["client_id"], "client_secret": secrets["client_secret"]}
        asked_at = self._clock.now()
        answer = await self._http.request("POST", f"{self._base}/token", form=form, timeout=10.0, idempotent=True)
        given = _granted(answer)
        token = wire.text(given.get("access_token"))
        if token is None:
            raise AuthExpired("Avito gave no token for this key", code="credentials_refused")
        life = wire.size(given.get("expires_in")) or DEFAULT_LIFE
        renew_at = asked_at + timedelta(seconds=max(_SHORTEST_LIFE, min(life, DEFAULT_LIFE)) * RENEW_AT)
        return Pair(token, renew_at, wire.text(given.get("refresh_token")))


_PERSONAL: Final = {"grant_type": "client_credentials"}


def _granted(answer: HttpResponse) -> dict[str, Any]:
    """The token endpoint speaks OAuth: `error` is a string there, and comes with any status."""
    try:
        document = wire.obj(loads(answer.body))
    except (ValueError, RecursionError):
        document = {}
    if answer.status in (400, 401, 403) or (answer.status < 300 and isinstance(document.get("error"), str)):
        raise AuthExpired(f"Avito refuses this key ({answer.status})", code="credentials_refused")
    return wire.obj(result_of(answer, idempotent=True))
