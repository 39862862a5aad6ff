"""A model that answers what a test tells it to, for the wrappers' own logic; the wire is tested in tests/contract/llm."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from battcrm.infra.llm.base import ChatAnswer, ChatRequest
from battcrm.kit.errors import BattError
from battcrm.models.calls import CallScope

SCHEMA = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
ANSWER = ChatAnswer({"said": 1}, 100, 10, "m", 5.0, 7.0)


def question(text: str = "привет", *, deadline_s: float = 8.0, tenant: int = 1) -> ChatRequest:
    messages = [{"role": "system", "content": "rules"}, {"role": "user", "content": text}]
    return ChatRequest(messages, SCHEMA, "answer", deadline_s, CallScope(UUID(int=tenant)))


class Scripted:
    """Plays its script once, then answers; while `gate` is closed, calls wait."""

    def __init__(self, *script: ChatAnswer | BattError) -> None:
        self.script: Sequence[ChatAnswer | BattError] = list(script)
        self.asked: list[ChatRequest] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.running = 0
        self.closed = False

    async def complete(self, request: ChatRequest) -> ChatAnswer:
        number = len(self.asked)
        self.asked.append(request)
        self.running += 1
        try:
            await self.gate.wait()
        finally:
            self.running -= 1
        said = self.script[number] if number < len(self.script) else replace(ANSWER)
        if isinstance(said, BattError):
            raise said
        return said

    async def aclose(self) -> None:
        self.closed = True
