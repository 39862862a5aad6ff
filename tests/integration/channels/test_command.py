"""`battcrm channel` as it is typed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from typer.testing import CliRunner

from battcrm.cli.channel import app
from battcrm.devkit.emulators.telegram import TelegramEmulator
from battcrm.kit.errors import AuthExpired
from tests.integration.channels.conftest import KEY, Shop
from tests.integration.channels.test_life import TOKEN

RUNNER = CliRunner()


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramEmulator]:
    async with TelegramEmulator() as emulator:
        emulator.add_bot(TOKEN)
        yield emulator


@pytest.fixture
def environment(shop: Shop, pg_worker_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "DATABASE_URL": pg_worker_url,
        "REDIS_URL": redis_url,
        "NEO4J_URL": "bolt://127.0.0.1:1",
        "NEO4J_PASSWORD": "x",
        "BATTCRM_SECRET_KEYS": KEY,
        "BATTCRM_PUBLIC_URL": shop.public_url,
        "BOT_TOKEN": TOKEN,
    }.items():
        monkeypatch.setenv(name, value)


async def run(*words: str) -> tuple[int, str, BaseException | None]:
    result = await asyncio.to_thread(RUNNER.invoke, app, list(words))
    return result.exit_code, result.output, result.exception


async def test_add_check_list_disable_enable_remove(shop: Shop, telegram: TelegramEmulator, environment: None) -> None:
    add = ("add", "telegram", "--secret", "token=env:BOT_TOKEN", "--setting", f"base_url={telegram.url}")
    code, shown, _ = await run(*add, "--json")
    assert code == 0, shown
    added = json.loads(shown)
    assert added["problem"] is None
    assert added["hook_url"] == telegram.bots[TOKEN].webhook.url  # type: ignore[union-attr]
    assert TOKEN not in shown

    code, shown, _ = await run("check", "telegram", "--tenant", "lesnaya")
    assert code == 0, shown
    assert "работает" in shown

    code, shown, _ = await run("list", "--json")
    assert [(c["kind"], c["health"]["state"], c["mend"]) for c in json.loads(shown)] == [("telegram", "ok", None)]

    telegram.bots[TOKEN].revoked = True
    code, shown, _ = await run("check", added["channel_id"])
    assert code == 1
    assert "battcrm channel enable" in " ".join(shown.split())
    code, shown, _ = await run("enable", "telegram")
    telegram.bots[TOKEN].revoked = False

    for words, state in ((("disable", "telegram"), "disabled"), (("enable", "telegram"), "active")):
        code, shown, _ = await run(*words)
        assert code == 0, shown
        assert (await shop.row("SELECT state FROM channel WHERE tenant_id = $1"))["state"] == state
    code, shown, _ = await run("rotate-secrets", "--all", "--json")
    assert json.loads(shown) == {"sealed_again": 0, "channels": 1}
    code, shown, _ = await run("remove", "telegram", "--yes")
    assert code == 0, shown
    assert json.loads((await run("list", "--json"))[1]) == []


async def test_a_refused_token_fails_plainly(shop: Shop, telegram: TelegramEmulator, environment: None) -> None:
    telegram.bots[TOKEN].revoked = True
    words = ("add", "telegram", "--secret", "token=env:BOT_TOKEN", "--setting", f"base_url={telegram.url}")
    code, _, error = await run(*words)
    assert code == 1
    assert isinstance(error, AuthExpired)
    assert TOKEN not in str(error)
