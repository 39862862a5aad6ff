"""The commands of corrections, drafts, merges and outcomes, as people and programs call them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from typer.testing import CliRunner, Result

from battcrm.cli.operator import app
from battcrm.kit.errors import Conflict, Invalid
from tests.integration.operator.conftest import Shop

RUNNER = CliRunner()
QUESTION = "сколько стоит поменять экран на айфон 13?"


async def _run(*arguments: str) -> Result:
    return await asyncio.to_thread(RUNNER.invoke, app, list(arguments), env={"COLUMNS": "200"})


async def _json(*arguments: str) -> Any:
    result = await _run(*arguments, "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


async def test_correct_sets_moves_and_previews(shop: Shop) -> None:
    await shop.hears(QUESTION)
    await shop.answers()
    plan = await _json("correct", "1", "--set", "model=айфон 13 про", "--set", "repair=screen,battery", "--dry-run")
    assert (plan["preview"], plan["appeals"][0]["facts"][1]["model"]) == (True, ["iPhone 13 Pro"])
    assert (await shop.appeal())["model"] == "iPhone 13"
    made = await _json("correct", "1", "--set", "model=айфон 13 про", "--set", "repair=screen,battery")
    assert made["appeals"][0]["facts"][1]["repair_types"] == ["screen", "battery"]
    assert (await shop.appeal())["model"] == "iPhone 13 Pro"
    thread = await _json("show", "1")
    number = next(line["seq"] for line in thread["lines"] if line["author"] == "client")
    shown = await _run("correct", "1", "--messages", str(number), "--to", "new")
    assert "№ 2 (новое)" in shown.stdout
    assert "iPhone 13" in shown.stdout
    assert f"#{number}" in (await _run("show", "1")).stdout
    for wrong, field in (
        (["--set", "model"], "set"), (["--set", "colour=red"], "colour"), (["--messages", "x", "--to", "new"], "messages"),
        (["--messages", "1", "--to", "?"], "to"), ([], "set"),
    ):  # fmt: skip
        refused = await _run("correct", "1", *wrong)
        assert isinstance(refused.exception, Invalid)
        assert (refused.exception.field, bool(refused.exception.remedy)) == (field, True)


async def test_drafts_are_listed_edited_accepted_and_rejected(suggesting: Shop) -> None:
    assert "no drafts" in (await _run("suggestions", "list")).stdout
    await suggesting.hears(QUESTION)
    await suggesting.answers()
    (draft,) = await _json("suggestions", "list")
    assert (draft["number"], draft["asked"]) == (1, QUESTION)
    assert QUESTION in " ".join((await _run("suggestions", "list")).stdout.split())
    said = await _json("suggestions", "accept", draft["suggestion_id"])
    assert (said["state"], len(said["outgoing"])) == ("accepted", 1)
    again = await _run("suggestions", "accept", draft["suggestion_id"])
    assert isinstance(again.exception, Conflict)
    await suggesting.hears("а на айфон 12?")
    await suggesting.answers()
    assert (await _json("suggestions", "edit", "2", "Столько же"))["state"] == "edited"
    await suggesting.hears("а на айфон 11?")
    await suggesting.answers()
    (last,) = await _json("suggestions", "list")
    assert (await _json("suggestions", "reject", last["suggestion_id"], "--note", "сам отвечу"))["state"] == "rejected"
    assert isinstance((await _run("suggestions", "reject", "нет")).exception, Invalid)


async def test_a_merge_is_previewed_done_and_taken_back(shop: Shop) -> None:
    await shop.hears(QUESTION, visitor="visitor-1")
    await shop.hears(QUESTION, visitor="visitor-2")
    await shop.answers()
    await shop.says_phone("+79000000001", visitor="visitor-1", verified=False)
    await shop.says_phone("+79000000001", visitor="visitor-2", verified=False)
    (pair,) = await _json("twins")
    assert (pair["reason"], pair["automatic"]) == ("phone", False)
    assert "один телефон" in (await _run("twins")).stdout
    preview = await _run("merge", "2", "--into", "1")
    assert "ничего не изменено" in preview.stdout
    assert "одно устройство" in preview.stdout
    plan = await _json("merge", "2", "--into", "1")
    assert (plan["done"], plan["moves"]["appeals"], plan["merge_id"]) == (False, 1, None)
    done = await _json("merge", "№2", "--into", str(plan["survivor"]["client_id"]), "--apply")
    assert done["done"]
    (line,) = await _json("merges")
    assert (line["merge_id"], line["undone_at"]) == (done["merge_id"], None)
    assert (await _json("unmerge", done["merge_id"]))["done"] is False
    assert (await _json("unmerge", done["merge_id"], "--apply"))["done"] is True
    assert "отменено" in " ".join((await _run("merges")).stdout.split())
    assert isinstance((await _run("merge", "2", "--into", "2")).exception, Invalid)
    assert isinstance((await _run("merge", "77", "--into", "2")).exception, Invalid)
    assert isinstance((await _run("unmerge", "77")).exception, Invalid)


async def test_pause_off_and_outcomes(shop: Shop) -> None:
    await shop.hears(QUESTION)
    await shop.answers()
    assert (await _json("pause", "1", "--for", "90m"))["state"] == "paused"
    assert (await shop.appeal())["control"] == "paused"
    assert (await _json("off", "1"))["state"] == "off"
    assert (await _json("return", "1"))["state"] == "returned"
    assert isinstance((await _run("pause", "1", "--for", "soon")).exception, Invalid)
    assert isinstance((await _run("pause", "1", "--for", "0.1m")).exception, Invalid)
    assert (await _json("take", "1", "--keep"))["state"] == "taken"
    assert "пока не вернёте" in (await _run("show", "1")).stdout
    await shop.closes(1)
    report = await _json("outcomes")
    assert [(o["outcome"], o["episodes"], o["durable"]) for o in report["outcomes"]] == [("assisted", 1, 0)]
    assert report["first_answers"][0]["who"] == "bot"
    assert "с помощью человека" in (await _run("outcomes", "--days", "7")).stdout
