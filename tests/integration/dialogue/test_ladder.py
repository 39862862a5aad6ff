"""Whatever the model's provider does, the ladder of DESIGN invariant 7 is followed and written down, and nobody is left
without an answer: big model, small model, rules and a question, operator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.openai import OpenAiEmulator
from battcrm.devkit.faults.messenger import KIND, Messenger, event
from battcrm.kit.ids import bucket_of
from battcrm.kit.text import loads
from battcrm.settings import load_settings
from battcrm.transport import registry
from battcrm.transport.base import ChannelAccount
from battcrm.transport.door import Door
from battcrm.workers import ai_worker, out_worker, processor
from battcrm.workers.layers import core_layers
from battcrm.workers.runtime import Runtime, connect
from tests.support.waiting import PATIENCE

BIG, SMALL = "gpt-4.1", "gpt-4.1-mini"
KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
# Rules leave its type and repair open, so each of these is a model call.
OPEN = "аппарат quasar zx {n} чё-то барахлит, возьмётесь посмотреть"

_TENANT = """
INSERT INTO tenant (tenant_id, bucket, slug, name, config_version, created_at) VALUES ($1, $2, 'lavka', 'Лавка', 1, $3)
"""
_CONFIG = """
INSERT INTO tenant_config (tenant_id, version, state, document, created_at) VALUES ($1, 1, 'published', $2, $3)
"""
_CHANNEL = """
INSERT INTO channel (tenant_id, channel_id, kind, account_ref, title, hook_key, secrets, settings, health, created_at)
VALUES ($1, $2, $3, 'bot', 'Bench', 'key', $4, '{}'::jsonb, '{}'::jsonb, $5)
"""
_WAITING = """
SELECT (SELECT count(*) FROM inbox) + (SELECT count(*) FROM client_work WHERE due_at IS NOT NULL)
     + (SELECT count(*) FROM outgoing WHERE state IN ('pending', 'sending'))
"""


@dataclass
class Chat:
    """A shop on the real layers, from the door to the messenger."""

    runtime: Runtime
    account: ChannelAccount
    messenger: Messenger
    roles: Sequence[Any]

    async def say(self, texts: Sequence[str]) -> None:
        """Each from a person of its own, at the same time; then everything that follows from them."""
        door = Door(self.runtime.pool, self.runtime.clock, self.runtime.ids, self.runtime.wakeups)
        messages = [event(f"person-{n}", f"m{n}", text) for n, text in enumerate(texts)]
        await asyncio.gather(*(door.accept(self.account, [message], b"{}") for message in messages))
        async with asyncio.timeout(PATIENCE):
            while await self.runtime.pool.fetchval(_WAITING):
                for role in self.roles:
                    await role.step()

    async def answered(self) -> set[str]:
        """Who has seen something."""
        return {shown.chat.rpartition("/")[2] for shown in self.messenger.shown}

    async def decisions(self) -> list[Any]:
        """What was decided for each turn, in order."""
        rows = await self.runtime.pool.fetch("SELECT * FROM decision ORDER BY decision_id")
        return [dict(row) | {"inputs": row["inputs"]} for row in rows]

    async def calls(self, expected: int) -> list[tuple[str, str]]:
        """Model and outcome of each row of the ledger, once there are that many: it is written apart from the turn."""
        async with asyncio.timeout(PATIENCE):
            while True:
                rows = await self.runtime.pool.fetch("SELECT model, outcome FROM llm_call ORDER BY call_id")
                if len(rows) >= expected:
                    return [(row["model"], row["outcome"]) for row in rows]
                await asyncio.sleep(0.01)


@asynccontextmanager
async def chat_on(database: str, redis: str, provider: OpenAiEmulator | None, **models: Any) -> AsyncIterator[Chat]:
    """A shop whose document has these settings of models; without a provider no key is configured."""
    known = {"OPENAI_API_KEY": "test", "OPENAI_BASE_URL": f"{provider.url}/v1"} if provider is not None else {}
    settings = load_settings(
        DATABASE_URL=database,
        REDIS_URL=redis,
        BATTCRM_SECRET_KEYS=KEY,
        NEO4J_URL="bolt://127.0.0.1:9",
        NEO4J_PASSWORD="unused",
        **known,
    )
    messenger = Messenger()
    messenger.connect()
    try:
        async with connect(settings) as runtime, core_layers(runtime) as layers:
            account = await _shop(runtime, models)
            roles = (processor.build(runtime), ai_worker.build(runtime, layers), out_worker.build(runtime))
            yield Chat(runtime, account, messenger, roles)
    finally:
        registry.unregister(KIND)


async def _shop(runtime: Runtime, models: dict[str, Any]) -> ChannelAccount:
    now, tenant, channel = runtime.clock.now(), runtime.ids.new(), runtime.ids.new()
    document = {"dialog": {"quiet": 0, "unfinished": 0, "media": 0}, "models": models}
    sealed = runtime.vault.seal({"secret": "s"}, channel.bytes)
    await runtime.pool.execute(_TENANT, tenant, bucket_of(tenant), now)
    await runtime.pool.execute(_CONFIG, tenant, document, now)
    await runtime.pool.execute(_CHANNEL, tenant, channel, KIND, sealed, now)
    return ChannelAccount(tenant, channel, KIND, "bot", {"secret": "s"}, {})


@pytest.fixture
async def provider() -> AsyncIterator[OpenAiEmulator]:
    async with OpenAiEmulator() as started:
        yield started


async def test_healthy_provider(clean_database: str, redis_url: str, provider: OpenAiEmulator) -> None:
    async with chat_on(clean_database, redis_url, provider) as chat:
        await chat.say([OPEN.format(n=1)])
        (decision,) = await chat.decisions()
        assert decision["inputs"]["model_steps"][1:] == ["big: ok", "applied"]
        assert decision["cost_microrub"] > 0
        assert await chat.answered() == {"person-0"}
        assert await chat.calls(1) == [(BIG, "ok")]


# What the provider does to every call of both models; the code it leaves; how often each model is asked.
FAILURES = [
    pytest.param(Fault("server_error", status=503), "provider_error", 3, id="outage"),
    pytest.param(Fault("lost_answer"), "no_answer", 3, id="cut-connections"),
    pytest.param(Fault("rate_limited", seconds=60), "rate_limited", 1, id="rate-limits"),
    pytest.param(Fault("quota"), "quota", 1, id="quota"),
    pytest.param(Fault("revoked"), "unauthorized", 1, id="key-refused"),
    pytest.param(Fault("truncated"), "invalid_answer", 1, id="half-a-document"),
    pytest.param(Fault("schema_violation"), "invalid_answer", 1, id="not-our-schema"),
    pytest.param(Fault("not_json"), "invalid_answer", 1, id="not-json"),
    pytest.param(Fault("refusal"), "invalid_answer", 1, id="refusal"),
]


@pytest.mark.parametrize(("fault", "code", "times"), FAILURES)
async def test_both_models_fail_and_the_client_is_answered(
    clean_database: str, redis_url: str, provider: OpenAiEmulator, fault: Fault, code: str, times: int
) -> None:
    provider.faults.add(fault, times=1000)
    async with chat_on(clean_database, redis_url, provider) as chat:
        await chat.say([OPEN.format(n=1)])
        (decision,) = await chat.decisions()
        again = [f"big: {code}, asked again"] * (times - 1)
        small = [f"small: {code}, asked again"] * (times - 1)
        end = "refused" if code == "invalid_answer" else "failed"
        steps = [*again, f"big: {code}", *small, f"small: {code}"]
        assert decision["inputs"]["model_steps"][1:-1] == steps
        assert decision["inputs"]["model_steps"][-1].endswith(code), end
        assert decision["inputs"]["model_calls"] == 2 * times
        assert decision["action"] in ("clarify", "operator"), "rules and a question, or a person"
        assert await chat.answered() == {"person-0"}
        assert await chat.calls(2 * times) == [(BIG, code)] * times + [(SMALL, code)] * times


async def test_small_model_stands_in(clean_database: str, redis_url: str, provider: OpenAiEmulator) -> None:
    provider.faults.add(Fault("not_json"), account=BIG, times=1000)
    async with chat_on(clean_database, redis_url, provider) as chat:
        await chat.say([OPEN.format(n=1)])
        (decision,) = await chat.decisions()
        assert decision["inputs"]["model_steps"][1:] == ["big: invalid_answer", "small: ok", "applied"]
        assert await chat.answered() == {"person-0"}
        assert await chat.calls(2) == [(BIG, "invalid_answer"), (SMALL, "ok")]


async def test_empty_budget_means_rules(clean_database: str, redis_url: str, provider: OpenAiEmulator) -> None:
    async with chat_on(clean_database, redis_url, provider, day_budget_rub=0) as chat:
        await chat.say([OPEN.format(n=n) for n in range(5)])
        decisions = await chat.decisions()
        assert len(decisions) == 5
        for decision in decisions:
            assert decision["inputs"]["model_steps"][1:] == ["big: budget", "small: budget", "failed: budget"]
            assert (decision["inputs"]["model_calls"], decision["cost_microrub"]) == (0, 0)
        assert await chat.answered() == {f"person-{n}" for n in range(5)}
        assert provider.log.all == [], "nobody was asked who would have had to be paid"


async def test_budget_that_runs_out_midway(clean_database: str, redis_url: str, provider: OpenAiEmulator) -> None:
    async with chat_on(clean_database, redis_url, provider, day_budget_rub=1) as chat:
        await chat.say([OPEN.format(n=n) for n in range(30)])
        steps = [tuple(decision["inputs"]["model_steps"][1:]) for decision in await chat.decisions()]
        assert await chat.answered() == {f"person-{n}" for n in range(30)}
        assert len(steps) == 30
        ends = {story[-1] for story in steps}
        assert ends == {"applied", "failed: budget"}, "some were paid for, the rest are rules'"
        spent = sum(decision["cost_microrub"] for decision in await chat.decisions())
        assert 0 < spent <= 1_000_000


async def test_without_a_key_rules_answer_alone(clean_database: str, redis_url: str) -> None:
    async with chat_on(clean_database, redis_url, None) as chat:
        await chat.say([OPEN.format(n=1)])
        (decision,) = await chat.decisions()
        assert decision["inputs"]["model_steps"] == ["no model is configured"]
        assert await chat.answered() == {"person-0"}


async def test_storm_of_rate_limits(clean_database: str, redis_url: str, provider: OpenAiEmulator) -> None:
    """429 for most calls of 60 people who write at once: each is answered, each refusal is in the ledger."""
    provider.set_latency(20, 60)
    provider.faults.add(Fault("rate_limited", seconds=0.3), times=100)
    async with chat_on(clean_database, redis_url, provider) as chat:
        await chat.say([OPEN.format(n=n) for n in range(60)])
        decisions = await chat.decisions()
        assert await chat.answered() == {f"person-{n}" for n in range(60)}
        assert len(decisions) == 60
        assert all(decision["inputs"]["model_steps"] for decision in decisions)
        made = sum(decision["inputs"]["model_calls"] for decision in decisions)
        outcomes = [outcome for _, outcome in await chat.calls(made)]
        assert len(outcomes) == made == len(provider.log.all)
        assert outcomes.count("rate_limited") == 100


async def test_ledger_and_decision_tell_the_same_money(
    clean_database: str, redis_url: str, provider: OpenAiEmulator
) -> None:
    provider.faults.add(Fault("truncated"), times=1)
    async with chat_on(clean_database, redis_url, provider) as chat:
        await chat.say([OPEN.format(n=1)])
        (decision,) = await chat.decisions()
        await chat.calls(2)
        row = await chat.runtime.pool.fetchrow(
            "SELECT sum(cost_microrub) AS spent, count(DISTINCT turn_id) FROM llm_call"
        )
        assert row is not None
        assert (row["spent"], row["count"]) == (decision["cost_microrub"], 1)
        asked = loads(
            await chat.runtime.pool.fetchval("SELECT to_json(array_agg(DISTINCT turn_id))::text FROM llm_call")
        )
        assert asked == [str(decision["turn_id"])]
