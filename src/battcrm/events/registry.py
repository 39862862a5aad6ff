"""Who follows which events. A layer registers here and needs to know nothing else of the core."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from battcrm.events.catalogue import BY_TYPE, Envelope, Event
from battcrm.infra.postgres import Connection
from battcrm.kit.errors import Invalid

_NAME: Final = re.compile(r"[a-z][a-z0-9_.-]{0,62}")
TransactionalHandler = Callable[[Connection, Sequence[Envelope]], Awaitable[None]]
ExternalHandler = Callable[[Sequence[Envelope]], Awaitable[None]]


class Kind(StrEnum):
    """Where the effect lies. It decides what "once" means (PROTOCOL F3)."""

    TRANSACTIONAL = "transactional"
    EXTERNAL = "external"


class Begin(StrEnum):
    """Where a consumer begins that was never here before. Afterwards it goes on where it was, whatever it chose."""

    OLDEST = "oldest"
    """With the oldest event of the outbox (14 days): what feeds a copy or counts things must miss nothing, not even what
    happened while it was starting for the first time."""
    NOW = "now"
    """With what happens from its first start on: who reacts, writes to people or calls others, must not react to the past."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """One follower: its name is its identity in `processed` and must never change."""

    name: str
    types: frozenset[str]
    kind: Kind
    handler: Callable[..., Awaitable[Any]]
    pause: float = 0.0
    begin: Begin = Begin.OLDEST


class HandlerRegistry:
    """The followers of a process.

    Handlers get events of several tenants, each key's in order, and raise to say that none of them was handled;
    after five failures an event becomes a dead letter. `Transient` means "the other side is away": that is waited out.
    """

    def __init__(self) -> None:
        self._consumers: dict[str, Consumer] = {}

    def transactional(
        self,
        name: str,
        types: Sequence[type[Event] | str],
        handler: TransactionalHandler,
        *,
        begin: Begin = Begin.OLDEST,
    ) -> None:
        """The effect is written through the given connection: it happens exactly once."""
        self.register(name, types, handler, Kind.TRANSACTIONAL, begin=begin)

    def external(
        self,
        name: str,
        types: Sequence[type[Event] | str],
        handler: ExternalHandler,
        *,
        pause: float = 0.0,
        begin: Begin = Begin.OLDEST,
    ) -> None:
        """The effect is elsewhere and idempotent: it happens at least once and is not asked for again afterwards.

        `pause` seconds pass between batches, for an effect that is much cheaper in bulk than event by event.
        """
        self.register(name, types, handler, Kind.EXTERNAL, pause=pause, begin=begin)

    def register(
        self,
        name: str,
        types: Sequence[type[Event] | str],
        handler: Callable[..., Awaitable[Any]],
        kind: Kind,
        *,
        pause: float = 0.0,
        begin: Begin = Begin.OLDEST,
    ) -> None:
        """Add a follower. Invalid for a name that is taken or unusable, and for an unknown event type."""
        if not _NAME.fullmatch(name):
            raise Invalid(f"{name!r} is no name of a consumer", field="name", remedy="use a-z, 0-9, dot, dash, _")
        if name in self._consumers:
            raise Invalid(f"the consumer {name!r} is registered already", field="name", remedy="choose another name")
        wanted = frozenset(t if isinstance(t, str) else t.TYPE for t in types)
        unknown = sorted(wanted - BY_TYPE.keys())
        if unknown or not wanted:
            raise Invalid(
                f"no such event type: {', '.join(unknown) or '(none given)'}",
                field="types",
                remedy="docs/reference/events.md lists them",
            )
        self._consumers[name] = Consumer(name, wanted, kind, handler, pause, begin)

    def __iter__(self) -> Iterator[Consumer]:
        """The followers in the order of registration."""
        return iter(tuple(self._consumers.values()))

    def __len__(self) -> int:
        """How many there are."""
        return len(self._consumers)
