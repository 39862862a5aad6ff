"""A turn that breaks again and again goes to a person, and says so only where the bot may speak at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from battcrm.devkit.scripts.format import read_scripts
from battcrm.devkit.scripts.run import world
from battcrm.extraction.dispatcher import RuleExtractor, TurnContext
from battcrm.models.facts import Reading

BREAKS = "это никто не прочтёт"
STORIES = """
scripts:
  - title: The client is told
    steps:
      - say: "Сколько стоит экран на айфон 13?"
      - say: "это никто не прочтёт"
        expect: {decisions: operator/internal_error, replies: 1, control: human, appeals: 1}
  - title: A person has the appeal
    steps:
      - say: "Сколько стоит экран на айфон 13?"
      - operator: {do: reply, text: "Здравствуйте, это Виктор."}
      - say: "это никто не прочтёт"
        expect: {decisions: silence/control_human, silence: true, control: human}
  - title: The bot is switched off
    steps:
      - say: "Сколько стоит экран на айфон 13?"
      - operator: {do: "off"}
      - say: "это никто не прочтёт"
        expect: {decisions: silence/control_off, silence: true, control: "off"}
  - title: A person talks and nothing is open
    steps:
      - say: "Здравствуйте!"
      - phone_reply: "Добрый день, это Виктор."
      - say: "это никто не прочтёт"
        expect: {decisions: silence/control_human, silence: true, appeals: 0}
  - title: Many people in the chat
    channels: {team: {group: true}}
    steps:
      - say: "это никто не прочтёт"
        expect: {silence: true, appeals: 0}
  - title: The shop wants drafts only
    shop: {config: {response: {mode: suggest}}}
    steps:
      - say: "это никто не прочтёт"
        expect: {decisions: operator/internal_error, silence: true, control: human}
  - title: The shop keeps the bot out
    shop: {config: {response: {mode: "off"}}}
    steps:
      - say: "это никто не прочтёт"
        expect: {decisions: silence/mode_off, silence: true, appeals: 0}
"""


async def test_what_comes_of_a_turn_that_breaks(clean_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = RuleExtractor.read

    def breaks(self: RuleExtractor, texts: Sequence[str], context: TurnContext) -> Reading:
        if BREAKS in texts:
            raise RuntimeError("the reading broke")
        return reads(self, texts, context)

    monkeypatch.setattr(RuleExtractor, "read", breaks)
    async with world(clean_database) as opened:
        report = await opened.play_all([(Path("stories"), story) for story in read_scripts(STORIES)])
    assert {r.script.title: r.wrong for r in report.wrong} == {}
