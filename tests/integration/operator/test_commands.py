"""The commands themselves, as processes run them: options, JSON, exit codes, readable screens."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import typer
from typer.testing import CliRunner, Result

from battcrm.cli.explain import explain
from battcrm.cli.operator import app as operator_app
from battcrm.kit.errors import Invalid
from tests.integration.operator.conftest import Shop

RUNNER = CliRunner()
WARRANTY = "меняли у вас экран на айфон 11, опять полосы, это по гарантии?"


async def _run(app: Any, *arguments: str) -> Result:
    """A command has its own event loop, so it gets its own thread."""
    return await asyncio.to_thread(RUNNER.invoke, app, list(arguments), env={"COLUMNS": "160"})


async def _json(*arguments: str) -> Any:
    result = await _run(operator_app, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


async def test_a_handover_from_the_list_to_the_end(shop: Shop) -> None:
    await shop.hears(WARRANTY)
    await shop.answers()
    (waits,) = await _json("list")
    assert (waits["number"], waits["reason"], waits["client"]) == (1, "warranty", "Анна")
    shown = await _run(operator_app, "list", "--tenant", "lesnaya")
    assert "гарантийный случай" in " ".join(shown.stdout.split())
    assert (await _json("take", "1"))["state"] == "taken"
    assert (await _json("reply", "1", "Привозите"))["state"] == "queued"
    thread = await _json("show", "1")
    assert [line["text"] for line in thread["lines"]][-1] == "Привозите"
    assert "Привозите" in (await _run(operator_app, "show", "1")).stdout
    assert (await _json("return", "1"))["state"] == "returned"
    assert (await _json("return", "1"))["state"] == "unchanged"
    assert (await _json("close", "1", "--as", "done"))["state"] == "closed:done"
    assert await _json("list") == []
    assert (await _run(operator_app, "close", "1", "--as", "quoted")).exit_code == 2


async def test_explain_speaks_both_languages_and_json(shop: Shop) -> None:
    await shop.hears(WARRANTY)
    await shop.answers()
    app = typer.Typer()
    app.command()(explain)
    russian, english, plain = [
        (await _run(app, *arguments)).stdout for arguments in (("1",), ("1", "--lang", "en"), ("1", "--json"))
    ]
    assert "передаёт оператору" in russian
    assert "hands over" in english
    assert json.loads(plain)["decisions"][0]["reason"] == "warranty"
    refused = await _run(app, "1", "--lang", "fr")
    assert isinstance(refused.exception, Invalid)
