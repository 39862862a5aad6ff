from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from battcrm.cli.eval_pricing import register
from battcrm.cli.graph import app as graph_app
from battcrm.cli.imports import app as import_app
from battcrm.devkit.demo.history import generate
from battcrm.devkit.demo.load_history import write_csv
from battcrm.infra.postgres import Pool, open_pool
from battcrm.kit.clock import SystemClock
from battcrm.kit.errors import Invalid
from battcrm.kit.ids import IdFactory
from battcrm.services.tenants import Tenants
from tests.support.graph import GraphServer

RUNNER = CliRunner()


@pytest.fixture
def environment(clean_database: str, graph: GraphServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "DATABASE_URL": clean_database,
        "NEO4J_URL": graph.url,
        "NEO4J_USER": graph.user,
        "NEO4J_PASSWORD": graph.password,
        "NEO4J_DATABASE": graph.database,
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def shop(environment: None, clean_database: str) -> str:
    import asyncio

    async def make() -> None:
        pool: Pool = await open_pool(clean_database, maximum=1)
        clock = SystemClock()
        await Tenants(pool, clock, IdFactory(clock)).create("lesnaya", "Ремонт на Лесной")
        await pool.close()

    asyncio.run(make())
    return "lesnaya"


def test_a_file_travels_from_import_to_a_checked_graph(shop: str, tmp_path: Path) -> None:
    file = tmp_path / "repairs.csv"
    write_csv(generate(2, 80, now=datetime(2026, 1, 1, tzinfo=UTC)), file)
    dry = RUNNER.invoke(import_app, ["repairs", str(file), "--tenant", shop, "--dry-run", "--json"])
    assert json.loads(dry.stdout)["created"] > 70
    first = json.loads(RUNNER.invoke(import_app, ["repairs", str(file), "--tenant", shop, "--json"]).stdout)
    second = json.loads(RUNNER.invoke(import_app, ["repairs", str(file), "--tenant", shop, "--json"]).stdout)
    assert (second["created"], second["unchanged"]) == (0, first["created"])
    before = RUNNER.invoke(graph_app, ["check", "--tenant", shop, "--json"])
    assert before.exit_code == 1
    missing = {row["label"]: row["missing"] for row in json.loads(before.stdout)["labels"]}
    assert missing["repair"] == first["created"]
    rebuilt = RUNNER.invoke(graph_app, ["rebuild", "--json"])
    assert json.loads(rebuilt.stdout) == {"rows": first["created"]}
    after = RUNNER.invoke(graph_app, ["check", "--json"])
    assert (after.exit_code, json.loads(after.stdout)["ok"]) == (0, True)


def test_wrong_rows_are_reported_and_the_exit_code_says_so(shop: str, tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text("Устройство;Что делаем;Цена\niPhone 13;экран;5 200\niPhone 13;экран;много\n", encoding="cp1251")
    with pytest.raises(Invalid, match="repair_type"):
        RUNNER.invoke(import_app, ["prices", str(file), "--tenant", shop], catch_exceptions=False)
    told = ["--map", "repair_type=Что делаем", "--json"]
    result = RUNNER.invoke(import_app, ["prices", str(file), "--tenant", shop, *told])
    report = json.loads(result.stdout)
    assert (result.exit_code, report["created"], report["rejected"]) == (1, 1, 1)
    assert (report["errors"][0]["row"], report["errors"][0]["field"]) == (3, "part_price")


def test_pricing_is_judged_from_a_file_without_any_server(tmp_path: Path) -> None:
    eval_app = typer.Typer()
    eval_app.callback()(lambda: None)
    register(eval_app)
    file = tmp_path / "repairs.csv"
    write_csv(generate(2, 1500, now=datetime(2026, 1, 1, tzinfo=UTC)), file)
    result = RUNNER.invoke(eval_app, ["pricing", str(file), "--json"])
    assert json.loads(result.stdout)["passed"] is True
    assert result.exit_code == 0
