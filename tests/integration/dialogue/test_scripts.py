"""The dialogue scripts: every one of them, played against the real pipeline; and what the format promises."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from battcrm.devkit.scripts.format import load_scripts, read_scripts
from battcrm.devkit.scripts.run import world
from battcrm.kit.errors import Invalid

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "dialogue-scripts.md"
FOLDER = Path(__file__).parents[2] / "dialogues"


async def test_every_script_goes_as_written(clean_database: str) -> None:
    async with world(clean_database) as opened:
        report = await opened.play_all(load_scripts(FOLDER))
    wrong = [f"{r.file}: {r.script.title}: {line}" for r in report.wrong for line in r.wrong]
    assert not wrong, "\n".join(wrong)


async def test_a_wrong_expectation_is_found(clean_database: str) -> None:
    scripts = read_scripts("""
scripts:
  - title: wrong in every way
    steps:
      - say: "Сколько стоит экран на айфон 13?"
        expect:
          decisions: silence/spam
          route: correction
          facts: {model: iPhone 12, brand: null}
          status: lost
          control: human
          appeal: 2
          appeals: 2
          each: {3: {status: new}}
          reply: [дирижабль]
          without: [iPhone]
          order: [Записать, iPhone]
          buttons: [Лететь]
          replies: 2
          turns: 2
          within: 1s
          not_before: 9s
          stored: 2
          opted_out: true
          handover: мастер
          suggested: 1
""")
    async with world(clean_database) as opened:
        result = await opened.play(scripts[0])
    found = {line.split(": ")[1].removeprefix("each.3.").removeprefix("facts.") for line in result.wrong}
    assert found == {
        "decisions", "route", "model", "brand", "status", "control", "appeal", "appeals", "reply", "without", "order",
        "buttons", "replies", "turns", "within", "not_before", "stored", "opted_out", "handover", "suggested",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("scripts:\n  - title: a\n    steps:\n      - say: x\n        expekt: {}\n", ["s:5: ", "expekt"]),
        ("scripts:\n  - title: a\n    steps:\n      - {say: x, press: y}\n", ["s:4: ", "exactly one of"]),
        ("scripts:\n  - title: a\n    steps:\n      - say: x\n        after: soon\n", ["s:5: ", "after", "2s, 5m"]),
        ("scripts:\n  - title: a\n    steps:\n      - say: x\n        in: tg\n", ["s:2: ", "no such channel: tg"]),
        ("scripts:\n  - title: a\n", ["s:2: ", "steps"]),
        ("scripts: [", ["s:1", "not YAML"]),
    ],
)
def test_a_mistake_is_named_by_line_and_key(text: str, told: list[str]) -> None:
    with pytest.raises(Invalid) as caught:
        read_scripts(text, "s")
    assert all(piece in caught.value.text for piece in told), caught.value.text


async def test_the_guide_speaks_the_truth(clean_database: str) -> None:
    blocks = re.findall(r"```yaml\n(scripts:.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    async with world(clean_database) as opened:
        results = [await opened.play(script) for block in blocks for script in read_scripts(block)]
    assert len(results) == 2
    assert [r.wrong for r in results] == [(), ()]
