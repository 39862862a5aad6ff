"""What the dialogue scripts must cover, and that the page about it is current."""

from __future__ import annotations

import pytest

from battcrm.devkit.scripts.format import load_scripts
from tools.breaks.listed import ROOT, load
from tools.scripts import FOLDER, INVARIANTS, PAGE, TOPICS, accidental, current, interleaved

SCRIPTS = load_scripts(FOLDER)
COVERED = [tag for _, script in SCRIPTS for tag in script.covers]


def test_the_page_says_what_there_is() -> None:
    """New scripts may come before the page is made anew; nothing of it may be gone."""
    written, made = (ROOT / PAGE).read_text("utf-8"), current()
    told = [line for line in written.splitlines() if line.startswith(("- ", "| ", "**")) and line not in made]
    gone = [line for line in told if line.startswith("- ")]
    assert gone == [], "run: python -m tools.scripts"
    assert all(f"**{topic.capitalize()}**" in written for topic in TOPICS)


@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_has_scripts(topic: str) -> None:
    assert COVERED.count(topic) >= 2


@pytest.mark.parametrize("number", INVARIANTS)
def test_every_invariant_has_a_script(number: int) -> None:
    assert f"invariant {number}" in COVERED


def test_titles_tell_scripts_apart() -> None:
    titles = [script.title for _, script in SCRIPTS]
    assert sorted({title for title in titles if titles.count(title) > 1}) == []


def test_enough_scripts_are_of_the_difficult_kinds() -> None:
    assert len(SCRIPTS) >= 80
    assert interleaved(SCRIPTS) >= 25
    assert accidental(SCRIPTS) >= 15


def test_enough_rules_are_broken_and_noticed() -> None:
    listed = load()
    assert len(listed) >= 60
    assert sum(not one.survives for one in listed) >= 0.9 * len(listed)
    titles = {script.title for _, script in SCRIPTS}
    assert [one.name for one in listed if one.caught_by and one.caught_by not in titles] == []
