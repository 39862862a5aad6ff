from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from battcrm.devkit.demo.guests import Reply
from battcrm.devkit.demo.play import judge
from battcrm.devkit.demo.script import Expect, Step, load_dialogues
from battcrm.services.explain import Decided, Explanation

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def turn(action: str = "auto", reason: str = "quote_with_evidence", model: str = "iPhone 13") -> Explanation:
    known = {
        "model": {"v": model, "c": 0.96, "m": "gazetteer"},
        "repair_types": [{"v": "screen", "c": 0.9, "m": "rule"}],
    }
    decided = Decided(
        action,
        reason,
        {"action": "new", "reason": "first_contact"},
        1,
        "quoted",
        "bot",
        known,
        (),
        (),
        None,
        (),
        (),
        {},
        {},
    )
    return Explanation(
        "shop",
        "Europe/Moscow",
        UUID(int=1),
        "posted",
        "Анна",
        "telegram",
        NOW,
        NOW,
        {},
        0,
        (),
        (),
        (decided,),
        (),
        (),
        (),
        0,
    )


RIGHT = Expect(
    decisions=("auto/quote_with_evidence",),
    facts={"model": "iPhone 13", "repair_types": "screen"},
    route="first_contact",
    reply=("7 000 ₽",),
    without=("оператор",),
    buttons=("Да",),
    turns=1,
    status="quoted",
    appeals=1,
)
REPLY = Reply("Замена экрана: 7 000 ₽", ("Да", "Нет"))
APPEALS = [{"number": 1, "status": "quoted", "control": "bot"}]


def test_what_was_expected_is_right() -> None:
    assert judge(RIGHT, [turn()], [REPLY], APPEALS) == []


@pytest.mark.parametrize(
    ("turns", "replies", "appeals"),
    [
        ([turn("clarify")], [REPLY], APPEALS),
        ([turn(reason="greeting")], [REPLY], APPEALS),
        ([turn(model="iPhone 14")], [REPLY], APPEALS),
        ([turn(), turn()], [REPLY], APPEALS),
        ([], [REPLY], APPEALS),
        ([turn()], [], APPEALS),
        ([turn()], [REPLY, REPLY], APPEALS),
        ([turn()], [Reply("Замена экрана", ("Да",))], APPEALS),
        ([turn()], [Reply("7 000 ₽, позову оператора", ("Да",))], APPEALS),
        ([turn()], [Reply("7 000 ₽", ())], APPEALS),
        ([turn()], [REPLY], []),
        ([turn()], [REPLY], [{"number": 1, "status": "new", "control": "bot"}]),
        ([turn()], [REPLY], [*APPEALS, *APPEALS]),
    ],
)
def test_every_difference_is_wrong(
    turns: list[Explanation], replies: list[Reply], appeals: list[dict[str, Any]]
) -> None:
    assert judge(RIGHT, turns, replies, appeals)


def test_nothing_expected_still_means_one_reply() -> None:
    assert judge(Expect(), [turn()], [], APPEALS)


def test_the_dialogues_show_everything_that_was_promised() -> None:
    dialogues = load_dialogues()
    steps = [step for dialogue in dialogues for step in dialogue.steps]
    assert len(dialogues) >= 12
    assert {dialogue.channel for dialogue in dialogues} == {"telegram", "webchat"}
    assert {step.operator for step in steps} >= {"reply", "return", "done"}
    assert any(step.twice for step in steps)
    assert any(step.edit for step in steps)
    assert any(step.press for step in steps)
    assert any(len(step.say) > 1 for step in steps)
    assert any("silence/spam" in (step.expect.decisions or ()) for step in steps)


@pytest.mark.parametrize("act", [{}, {"say": ["а"], "press": "б"}, {"operator": "reply"}, {"say": ["а"], "text": "б"}])
def test_a_step_is_one_act(act: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Step.model_validate(act)


def test_a_misspelt_expectation_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "d.yaml"
    file.write_text(
        "dialogues: [{title: т, channel: telegram, client: А, steps: [{say: [а], expect: {replys: 0}}]}]", "utf-8"
    )
    with pytest.raises(ValidationError, match="replys"):
        load_dialogues(file)
