"""A role that still prepares itself takes no work, and readiness says so."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from battcrm.infra import monitor
from battcrm.infra.health import HEALTH
from battcrm.workers import ai_worker


class Database:
    """Answers what readiness asks."""

    async def fetchval(self, _query: str) -> int:
        return 1


async def ready() -> tuple[int, dict[str, Any]]:
    return await monitor.ready(Database())  # type: ignore[arg-type]


async def came(event: asyncio.Event, role: asyncio.Future[None]) -> None:
    """The event happened; a role that ended instead says why."""
    waiting = asyncio.ensure_future(event.wait())
    both: set[asyncio.Future[Any]] = {waiting, role}
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        waiting.cancel()
        role.result()


async def test_no_turn_is_claimed_and_nobody_is_told_ready_before_all_is_warm(monkeypatch: pytest.MonkeyPatch) -> None:
    warm, claimed = asyncio.Event(), asyncio.Event()
    warming = asyncio.Event()

    class Layers:
        graph = None

        async def __aenter__(self) -> Layers:
            return self

        async def __aexit__(self, *_: object) -> None:
            return None

    async def warm_up(_runtime: object, _layers: object) -> None:
        warming.set()
        await warm.wait()

    async def work() -> None:
        claimed.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(ai_worker, "core_layers", lambda _runtime: Layers())
    monkeypatch.setattr(ai_worker, "warm_up", warm_up)
    monkeypatch.setattr(ai_worker, "build", lambda _runtime, _layers, _signals: SimpleNamespace(run=work))
    monkeypatch.setattr(ai_worker, "TypingSignals", lambda *_: SimpleNamespace(run=asyncio.Event().wait))
    runtime = SimpleNamespace(redis=None, channels=None, clock=None, http=None)
    role = asyncio.ensure_future(ai_worker.run(runtime))  # type: ignore[arg-type]
    await came(warming, role)
    assert await ready() == (503, {"ok": False, "warming": ["ai-worker"]})
    assert not claimed.is_set()
    warm.set()
    await came(claimed, role)
    assert await ready() == (200, {"ok": True})
    role.cancel()
    with pytest.raises(asyncio.CancelledError):
        await role
    assert HEALTH.warming() == []


async def test_role_that_ends_while_it_prepares_itself_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_runtime: object) -> Any:
        raise RuntimeError("no catalogue")

    monkeypatch.setattr(ai_worker, "core_layers", broken)
    with pytest.raises(RuntimeError):
        await ai_worker.run(SimpleNamespace(redis=None))  # type: ignore[arg-type]
    assert HEALTH.warming() == []
