"""Repairs of the text, and that tokens keep their place."""

from __future__ import annotations

import pytest

from battcrm.extraction.normalise import MAX_CHARS, Normalised, normalise


def norms(text: str) -> list[str]:
    return [token.norm for token in normalise(text).tokens]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Привет", ["привет"]),
        ("ｉｐｈｏｎｅ １３", ["iphone", "13"]),
        ("iphonе", ["iphone"]),
        ("сколькo", ["сколько"]),
        ("росо х3", ["poco", "х3"]),
        ("айфооооон", ["айфон"]),
        ("ghbdtn", ["привет"]),
        ("fqajy 13", ["айфон", "13"]),
        ("шзрщту 12 зкщ", ["iphone", "12", "pro"]),
        ("razbil ekran na aifone", ["разбил", "экран", "на", "айфоне"]),
        ("skolko stoit pomenyat batareyu", ["сколько", "стоит", "поменять", "батарею"]),
        ("десятка", ["10"]),
        ("тринадцатый", ["13"]),
        ("1️⃣3️⃣", ["13"]),
        ("10ка", ["10"]),
        ("11й", ["11"]),
        ("разби\u200bл", ["разбил"]),
        ("№5", ["№", "5"]),
        ("my phone is broken", ["my", "phone", "is", "broken"]),
        ("Xperia 1 III", ["xperia", "1", "iii"]),
        ("", []),
        ("   ", []),
    ],
)
def test_repairs(text: str, expected: list[str]) -> None:
    assert norms(text) == expected


def test_lemmas_and_kinds() -> None:
    tokens = normalise("батареи на айфонах а52 13 😀 ?").tokens
    assert tokens[0].lemma == "батарея"
    assert [token.kind for token in tokens] == ["word", "word", "word", "code", "number", "emoji", "punct"]
    assert [token.latin for token in normalise("с52").tokens] == ["c52"]


def test_flags() -> None:
    assert normalise("razbil ekran").translit
    assert not normalise("my screen is broken").translit
    assert not normalise("разбил экран").translit
    assert normalise("ghbdtn").layout_fixed
    assert not normalise("привет iphone").layout_fixed


@pytest.mark.parametrize("text", ["Hello, how much is it?", "samsung galaxy", "ok", "Windows 11", "wifi", "сам", "зу"])
def test_good_text_is_left_alone(text: str) -> None:
    result: Normalised = normalise(text)
    assert not result.layout_fixed
    assert [token.norm for token in result.tokens] == [token.text for token in result.tokens]


def test_glued_and_places() -> None:
    text = "айфон-12,экран\u200b!"
    tokens = normalise(text).tokens
    assert [token.glued for token in tokens] == [False, True, True, True, True, True]
    assert [text[token.start : token.end] for token in tokens][:4] == ["айфон", "-", "12", ","]


def test_only_the_first_characters_are_read() -> None:
    assert normalise("ы" * (MAX_CHARS * 3)).tokens[-1].end <= MAX_CHARS
