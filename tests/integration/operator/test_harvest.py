"""What an operator corrects becomes a labelled example that the evaluation reads."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from battcrm.cli.eval_harvest import _write
from battcrm.extraction.evaluation.dataset import load
from battcrm.kit.errors import Invalid
from battcrm.kit.text import dumps
from battcrm.services.harvest import Harvest
from battcrm.services.operator_correct import Corrections
from tests.integration.operator.conftest import Shop

_NUMBER = "SELECT number FROM appeal WHERE tenant_id = $1 ORDER BY number DESC LIMIT 1"


async def talked(shop: Shop, *texts: str, visitor: str = "visitor-1") -> int:
    await shop.hears(*texts, visitor=visitor)
    await shop.answers()
    await shop.delivers()
    (row,) = await shop.rows(_NUMBER)
    return int(row["number"])


def corrections(shop: Shop) -> Corrections:
    runtime = shop.runtime
    return Corrections(runtime.pool, runtime.clock, runtime.ids, runtime.wakeups, runtime.configs)


async def harvested(shop: Shop, *, days: int = 1) -> list[dict[str, object]]:
    since = shop.runtime.clock.now() - timedelta(days=days)
    return await Harvest(shop.runtime.pool).examples(shop.tenant_id, since)


async def test_correction_becomes_an_example(shop: Shop, tmp_path: Path) -> None:
    number = await talked(shop, "меня зовут Пётр, +7 912 345-67-89, экран на айфон 13 сколько")
    await corrections(shop).correct(shop.tenant_id, number, facts={"model": ["iPhone 13 Pro"]})
    await talked(shop, "спасибо, буду завтра")
    (example,) = await harvested(shop)
    assert example["expect"] == {"brand": "Apple", "model": "iPhone 13 Pro"}, "only what the operator said"
    assert example["was"] == {"brand": ["Apple"], "model": ["iPhone 13"]}
    messages = example["messages"]
    assert isinstance(messages, list)
    assert [message["from"] for message in messages] == ["client", "shop"], "the talk up to the correction"
    said = messages[0]["text"]
    assert "345" not in said
    assert "Пётр" not in said
    assert said.endswith("экран на айфон 13 сколько")
    path = tmp_path / "harvest.jsonl"
    _write(path, dumps(example) + b"\n")
    (loaded,) = load(path)
    assert (loaded.messages, loaded.expect[0]["model"]) == (1, "iPhone 13 Pro")
    assert path.stat().st_mode & 0o077 == 0


async def test_several_values_emptied_fields_and_second_thoughts(shop: Shop) -> None:
    number = await talked(shop, "экран на айфон 13 сколько стоит")
    mend = corrections(shop)
    await mend.correct(shop.tenant_id, number, facts={"repair_types": ["battery"], "part_owner": ["client"]})
    await mend.correct(shop.tenant_id, number, facts={"repair_types": ["battery", "back_glass"]})
    await mend.correct(shop.tenant_id, number, facts={"model": [""], "part_owner": [""]})
    (example,) = await harvested(shop)
    expect = example["expect"]
    assert isinstance(expect, dict)
    assert sorted(expect.pop("repair_types")) == ["back_glass", "battery"]
    assert expect == {"model": None, "part_owner": None}


async def test_what_nobody_corrected_and_what_is_old_is_left_out(shop: Shop) -> None:
    number = await talked(shop, "экран на айфон 13 сколько стоит")
    await talked(shop, "батарею на редми 9 менять надо, сколько", visitor="visitor-2")
    assert await harvested(shop) == []
    await corrections(shop).correct(shop.tenant_id, number, facts={"model": ["iPhone 13 mini"]})
    assert len(await harvested(shop)) == 1
    assert await harvested(shop, days=-1) == []


async def test_another_shop_sees_nothing(shop: Shop) -> None:
    number = await talked(shop, "экран на айфон 13 сколько стоит")
    await corrections(shop).correct(shop.tenant_id, number, facts={"model": ["iPhone 13 mini"]})
    since = shop.runtime.clock.now() - timedelta(days=1)
    assert await Harvest(shop.runtime.pool).examples(shop.runtime.ids.new(), since) == []


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="cannot write"):
        _write(tmp_path / "none" / "x.jsonl", b"")
