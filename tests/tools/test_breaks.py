"""The list of breaks fits the code; in the long form, the scripts notice them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.breaks.__main__ import record, wrong
from tools.breaks.listed import BEHAVIOUR, Break, applied, load, problem
from tools.breaks.run import Trial, Verdict, attempt_all
from tools.breaks.tree import broken

LISTED = load()
ONE = Break("one", "a rule", "pipeline/a.py", "x = 1\n", "x = 2\n")


def test_every_break_still_fits_the_code() -> None:
    assert [found for one in LISTED if (found := problem(one)) is not None] == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("y = 1", "y = 2", "0 times"),
        ("x", "z", "2 times"),
        ("x = 1\n", "x = 1  # one\n", "how it looks"),
        ("x = 1\n", "x = (\n", "no Python"),
    ],
)
def test_a_break_that_does_not_fit_is_told(old: str, new: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        applied(Break("one", "a rule", "a.py", old, new), "x = 1\nprint(x)\n")


def test_a_broken_tree_is_whole_again(tmp_path: Path) -> None:
    path = tmp_path / "src" / "battcrm" / ONE.file
    path.parent.mkdir(parents=True)
    path.write_text(ONE.old, "utf-8")
    with broken(ONE, tmp_path):
        assert path.read_text("utf-8") == ONE.new
    assert path.read_text("utf-8") == ONE.old


def test_who_caught_what_is_noted_and_what_speaks_against_the_scripts_is_told(tmp_path: Path) -> None:
    listed = tmp_path / "list.yaml"
    entry = "  - name: {}\n    rule: r\n    file: f\n    old: a\n    new: b\n"
    listed.write_text("breaks:\n" + entry.format("first") + entry.format("second"), "utf-8")
    first, second = load(listed)
    trials = [Trial(first, Verdict.CAUGHT, "It's a title"), Trial(second, Verdict.SURVIVED)]
    record(listed, trials)
    assert [one.caught_by for one in load(listed)] == ["It's a title", ""]
    assert wrong(trials) == ["second survived (r)", "only 1 of 2 are caught"]


@pytest.mark.long
@pytest.mark.timeout(1500)
async def test_the_scripts_notice_what_is_broken() -> None:
    trials = await attempt_all(load(BEHAVIOUR), processes=2, seconds=1200.0)
    assert wrong(trials) == []
