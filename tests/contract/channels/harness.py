"""What a channel's contract tests need to know about it.

A channel joins the suite with one module `harness_<kind>.py` here that has `def make() -> Harness`. `make` is called at
collection and once per test: it must be cheap and do no I/O; servers start in `start`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from battcrm.transport.base import ChannelAccount, HttpClient, WebhookRequest

DATA: Final = Path(__file__).parents[2] / "data" / "messengers"

REQUIRED_INBOUND: Final = frozenset({"text", "media", "unknown"})
REQUIRED_FAULTS: Final = frozenset({"rate_limited", "revoked", "blocked", "lost_answer", "server_error"})


@dataclass(frozen=True, slots=True)
class Inbound:
    """A webhook body and what it means: per message, in order, a part of its `to_wire` document.

    Dicts in `expect` are compared as subsets, lists element by element, all else by equality. () = nothing for us.
    """

    body: bytes
    expect: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message as the customer saw it: `attachment` is photo | document | voice | None, `buttons` their titles."""

    chat: str
    text: str
    buttons: tuple[str, ...] = ()
    attachment: str | None = None
    message_id: str | None = None


class Harness(Protocol):
    """One connected account of the channel, and the platform on the other side of it.

    `inbound` has at least REQUIRED_INBOUND; known further cases: edit, batch (several messages in one body), button,
    start, stop, status, echo, delete. `faults` are the names `fault` understands: all of REQUIRED_FAULTS for a channel
    with a platform behind it. `secrets` must appear in no error text and no log line.
    """

    kind: str
    chat: str
    remote: bool
    secrets: tuple[str, ...]
    inbound: Mapping[str, Inbound]
    faults: frozenset[str]

    @property
    def account(self) -> ChannelAccount:
        """The account; `settings["base_url"]` points to the emulator once it is started."""
        ...

    def authentic(self, body: bytes) -> WebhookRequest:
        """The body as the platform would deliver it, signature or secret included."""
        ...

    def forged(self, body: bytes) -> Sequence[WebhookRequest]:
        """The same body with missing, wrong, empty and non-ASCII proof; at least two."""
        ...

    async def start(self) -> HttpClient:
        """Start the emulator and return the client to reach it with."""
        ...

    async def stop(self) -> None:
        """Stop what `start` started; also after a failed start."""
        ...

    def fault(self, name: str) -> None:
        """The next send suffers it: rate_limited (retry after 3 s), revoked, blocked, lost_answer (accepted, no answer)
        or server_error (a 5xx)."""
        ...

    def delivered(self) -> list[Delivered]:
        """Everything the customer at `chat` was shown, oldest first."""
        ...


def harness_kinds() -> tuple[str, ...]:
    """The kinds that have a harness module here."""
    names = (item.name for item in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return tuple(sorted(n.removeprefix("harness_") for n in names if n.startswith("harness_")))


def make_harness(kind: str) -> Harness:
    """A fresh harness of the kind."""
    made: Harness = importlib.import_module(f"tests.contract.channels.harness_{kind}").make()
    return made


def sample(kind: str, case: str) -> bytes:
    """The bytes of one captured body."""
    return (DATA / kind / f"{case}.json").read_bytes()
