"""The protocol of a chat model with structured output, and the values that go in and out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self
from uuid import UUID

from battcrm.kit.errors import Invalid
from battcrm.kit.text import dumps


class Report(Protocol):
    """What a call tells about itself while it runs, so that a failed or cancelled call tells it too."""

    steps: list[str]
    calls: int
    cost_microrub: int
    provider_ms: float


class Scope(Protocol):
    """On whose behalf a call is made."""

    @property
    def tenant_id(self) -> UUID: ...
    @property
    def client_id(self) -> UUID | None: ...
    @property
    def turn_id(self) -> UUID | None: ...
    @property
    def appeal_id(self) -> UUID | None: ...
    @property
    def purpose(self) -> str: ...
    @property
    def report(self) -> Report: ...


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One question. `deadline_s`: seconds until the caller stops waiting; every wrapper passes on what is left of it."""

    messages: Sequence[Mapping[str, str]]
    schema: Mapping[str, Any]
    schema_name: str
    deadline_s: float
    scope: Scope
    temperature: float = 0.0

    def within(self, seconds: float) -> Self:
        """The same question with another deadline."""
        return replace(self, deadline_s=seconds)

    @property
    def prompt_hash(self) -> str:
        """Names the fixed part (system messages and schema): 16 hexadecimal digits."""
        fixed = [message["content"] for message in self.messages if message["role"] == "system"]
        return hashlib.blake2b(dumps([fixed, self.schema]), digest_size=8).hexdigest()

    @property
    def digest(self) -> str:
        """Names the whole question; within one tenant, equal digests may share an answer."""
        whole = [self.schema_name, self.temperature, list(self.messages), self.schema]
        return hashlib.blake2b(dumps(whole), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Usage:
    """What a provider charged for. `provider_ms`: time the provider itself took, 0 when it does not say."""

    tokens_in: int = 0
    tokens_out: int = 0
    provider_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """An answer that keeps to the schema. `latency_ms`: as seen from here; `model`: as the provider names it."""

    parsed: Mapping[str, Any]
    tokens_in: int
    tokens_out: int
    model: str
    provider_ms: float
    latency_ms: float

    @property
    def usage(self) -> Usage:
        """What it cost the provider."""
        return Usage(self.tokens_in, self.tokens_out, self.provider_ms)


class BadAnswer(Invalid):
    """The model answered, and was paid, but not with what was asked for (`code` is `invalid_answer`)."""

    def __init__(self, text: str, usage: Usage) -> None:
        super().__init__(text, code="invalid_answer")
        self.usage = usage


class ChatModel(Protocol):
    """A chat model."""

    async def complete(self, request: ChatRequest) -> ChatAnswer:
        """One answer that keeps to the schema. Raises kit.errors for every expected failure, within the deadline."""
        ...

    async def aclose(self) -> None:
        """Give back connections and finish what is still to be written."""
        ...
