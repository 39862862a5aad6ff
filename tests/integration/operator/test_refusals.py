"""Whatever an operator types wrongly: the refusal names the field and how to go on, and nothing is a crash."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from battcrm.cli.operator import app
from battcrm.kit.errors import Conflict, Invalid
from tests.integration.operator.conftest import Shop

HUGE = "99999999999999999999"
LONG = "ы" * 20_001
NOBODY = str(uuid4())
WRONG = [
    ("number", "show 99"), ("number", f"show {HUGE}"), ("number", "take 0"), ("number", f"reply {HUGE} текст"),
    ("number", "return 99"), ("number", f"off {HUGE}"), ("number", "close 99 --as done"), ("number", "correct 99 --messages all --to 1"),
    ("for", "pause 1 --for вечность"), ("for", "pause 1 --for 30d000"), ("for", "pause 1 --for 4000d"),
    ("for", "pause 1 --for nanh"), ("for", "pause 1 --for 0.1m"), ("text", "reply 1 ~"), ("text", f"reply 1 {LONG}"),
    ("set", "correct 1 --set model"), ("to", "correct 1 --messages all --to 99"), ("to", "correct 1 --messages 1 --to 1"),
    ("to", f"correct 1 --messages all --to {HUGE}"), ("to", "correct 1 --messages all --to старое"),
    ("messages", "correct 1 --messages 77 --to new"), ("messages", f"correct 1 --messages {HUGE} --to new"),
    ("messages", "correct 1 --messages первое --to new"), ("client", "vip 99"), ("client", "vip Анна"),
    ("client", f"vip {NOBODY}"), ("client", f"vip {HUGE}"), ("client", "vip --off"), ("duplicate", "merge Анна --into 1"),
    ("into", "merge 1 --into Анна"), ("into", "merge 1 --into 1"), ("into", "merge 1 --into 99"), ("duplicate", "merge 99 --into 1"),
    ("merge", "unmerge 1"), ("merge", f"unmerge {NOBODY}"), ("client", "merges --client 1"),
    ("draft", "suggestions accept 1"), ("draft", f"suggestions edit {NOBODY} текст"), ("draft", "suggestions reject что"),
    ("tenant", "list --tenant nobody"),
]  # fmt: skip


def _invoke(line: str) -> BaseException | None:
    """What the command raised. `~` stands for nothing but blanks."""
    arguments = [" " if word == "~" else word for word in line.split()]
    return CliRunner().invoke(app, arguments).exception


async def test_wrong_words_are_refused_with_field_and_remedy(shop: Shop) -> None:
    await shop.hears("сколько стоит экран на айфон 13?")
    await shop.answers()
    wrong = []
    for field, line in WRONG:
        error = await asyncio.to_thread(_invoke, line)
        if not isinstance(error, Invalid) or error.field != field or not error.remedy:
            wrong.append(f"{line[:60]}: {error!r}, {getattr(error, 'field', '')}, {getattr(error, 'remedy', '')}")
    assert wrong == []


@pytest.mark.parametrize("act", ["take 1", "pause 1", "off 1", "close 1 --as lost"])
async def test_a_closed_appeal_refuses_with_a_way_on(shop: Shop, act: str) -> None:
    await shop.hears("сколько стоит экран на айфон 13?")
    await shop.answers()
    assert await asyncio.to_thread(_invoke, "close 1 --as done") is None
    error = await asyncio.to_thread(_invoke, act)
    assert isinstance(error, Conflict)
    assert (error.field, error.code) == ("number", "appeal_closed")
    assert "reply" in error.remedy


async def test_a_client_is_marked_listed_and_unmarked(shop: Shop) -> None:
    await shop.hears("сколько стоит экран на айфон 13?")
    await shop.answers()

    def said(*arguments: str) -> str:
        result = CliRunner().invoke(app, list(arguments))
        assert result.exit_code == 0, result.output
        return " ".join(result.stdout.split())

    assert "nobody" not in await asyncio.to_thread(said, "vip", "1")
    assert "already" in await asyncio.to_thread(said, "vip", "1")
    assert "№ 1" in await asyncio.to_thread(said, "vip")
    assert "not VIP" in await asyncio.to_thread(said, "vip", "1", "--off")
    assert "no VIP clients" in await asyncio.to_thread(said, "vip")
