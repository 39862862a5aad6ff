"""No text makes the reader fail, and every fact points into the text it came from."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from battcrm.extraction.redaction import redact
from tests.unit.extraction.reader import Asked, read

_WORDS = st.sampled_from(
    [
        "айфон",
        "11",
        "про",
        "самсунг",
        "а52",
        "экран",
        "батарея",
        "не",
        "работает",
        "разбил",
        "сколько",
        "вы",
        "меняли",
        "опять",
        "готов?",
        "свой",
        "куплю",
        "продам",
        ".",
        ",",
        "!",
        "\n",
        "👍",
        "2",
        "да",
        "ghbdtn",
        "ekran",
        "№12",
        "+",
        "8900",
    ]
)
_CHATS = st.lists(st.lists(_WORDS, max_size=12).map(" ".join) | st.text(max_size=60), max_size=4)


@settings(max_examples=150, deadline=None)
@given(
    texts=_CHATS, expecting=st.sampled_from([None, "model", "part_owner", "repair_types", "appeal_type", "nonsense"])
)
def test_reading_never_fails(texts: list[str], expecting: str | None) -> None:
    reading = read(*texts, context=Asked(None, expecting, ("iPhone 12", "Экран")))
    assert reading.hypotheses
    for item in reading.hypotheses:
        for fact in (item.appeal_type, item.brand, item.model, item.part_owner, *item.repair_types):
            for span in fact.spans if fact is not None else ():
                assert 0 <= span.message < len(texts)
                assert 0 <= span.start <= span.end <= len(texts[span.message])


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=200))
def test_redaction_keeps_the_length(text: str) -> None:
    assert len(redact(text).text) == len(text)


def test_huge_text_is_read_in_bounded_time() -> None:
    assert read("экран разбит " * 20_000).main.repair_types
    assert read("не " * 20_000).hypotheses
    assert read("1" * 100_000).hypotheses
