"""Noise never makes another model out of a model; modifiers are never added and never dropped."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from battcrm.extraction import normalise_chars as chars
from battcrm.extraction.gazetteer.catalogue import Catalogue
from battcrm.extraction.gazetteer.compile import build
from battcrm.extraction.normalise import normalise
from battcrm.extraction.tools.model import find_devices

CATALOGUE = Catalogue.load()
_BRANDS = ("Apple", "Samsung", "Xiaomi", "Honor", "Huawei", "Realme", "Tecno", "Infinix", "OPPO", "Vivo", "Google")
PHONES = sorted(
    (brand, name)
    for brand, name, kind, _ in build().models
    if kind == "phone" and brand in _BRANDS and not name.endswith("5G")
)
NAMED = sorted(
    (brand, name)
    for brand, name, kind, _ in build().models
    if kind in ("phone", "tablet", "watch", "headphones") and brand in _BRANDS and not name.endswith("5G")
)
MODIFIERS = (
    "pro",
    "plus",
    "max",
    "ultra",
    "lite",
    "mini",
    "про",
    "плюс",
    "макс",
    "ультра",
    "лайт",
    "мини",
    "fe",
    "neo",
)
UNKNOWN = ("zoomster", "хyper", "ультрра", "промаакс", "edgee", "q", "w", "k2")
FRAMES = ("{}", "разбил экран на {}", "{} не включается", "сколько стоит батарея {}?", "Здравствуйте, у меня {} упал")


def model_of(text: str) -> list[str]:
    found = find_devices(normalise(text), 0, CATALOGUE)
    return [item.model.value for item in found if item.model is not None and item.model.confidence >= 0.75]


def plain(brand: str, name: str) -> str:
    shape = re.sub(r"[\s()\-]", "", name.casefold()).replace("+", "plus")
    return shape.removeprefix(brand.casefold())


def spoken(brand: str, name: str) -> str:
    said = name if name.casefold().startswith(brand.casefold()) else f"{brand} {name}"
    return re.sub(r"[()]", "", said).lower()


def _homoglyphs(text: str, picks: list[bool]) -> str:
    swap = dict(zip("aceopxy", "асеорху", strict=True))
    return "".join(swap.get(char, char) if pick else char for char, pick in zip(text, picks, strict=False))


def _spaces(text: str, picks: list[bool]) -> str:
    parts = re.split(r"(?<=[a-z])(?=\d)", text)
    return "".join(part + (" " if pick else "") for part, pick in zip(parts, [*picks, False] * 2, strict=False)).strip()


def _stretched(text: str, picks: list[bool]) -> str:
    words = text.split(" ")
    at = sum(picks) % len(words)
    if words[at].isalpha() and len(words[at]) > 3:
        words[at] = words[at][:-1] + words[at][-1] * 4
    return " ".join(words)


def _layout(text: str, picks: list[bool]) -> str:
    return text.translate(chars.TO_CYR_LAYOUT) if picks[0] else text


def _case(text: str, picks: list[bool]) -> str:
    return "".join(char.upper() if pick else char for char, pick in zip(text, picks * 3, strict=False))


def _doubled(text: str, picks: list[bool]) -> str:
    head = text.split(" ", maxsplit=1)[0]
    return f"{head} {text}" if picks[0] else text


def _hyphens(text: str, picks: list[bool]) -> str:
    return text.replace(" ", "-") if picks[0] else text


def _slip(text: str, picks: list[bool]) -> str:
    """A letter lost, doubled or swapped inside a long word."""
    words = text.split(" ")
    long = [at for at, word in enumerate(words) if word.isalpha() and len(word) > 4]
    if not long:
        return text
    at = long[sum(picks[:8]) % len(long)]
    word = words[at]
    cut = 1 + sum(picks[8:24]) % (len(word) - 2)
    kind = sum(picks[24:26])
    tail = (word[cut + 1 :], word[cut:], word[cut + 1 : cut + 2] + word[cut] + word[cut + 2 :])[kind]
    words[at] = word[:cut] + ("", word[cut], "")[kind] + tail
    return " ".join(words)


def _emoji(text: str, picks: list[bool]) -> str:
    return text.replace(" ", " 🙏 ", 1) if picks[0] else text + "😭😭"


def _punctuation(text: str, picks: list[bool]) -> str:
    return text.replace(" ", "  ") if picks[0] else text + "!!!.."


NOISE = (_homoglyphs, _spaces, _stretched, _layout, _case, _doubled, _hyphens, _slip, _emoji, _punctuation)


@settings(max_examples=800, deadline=None, derandomize=True)
@given(
    st.sampled_from(PHONES),
    st.sampled_from(FRAMES),
    st.sampled_from(NOISE),
    st.lists(st.booleans(), min_size=60, max_size=60),
)
def test_noise_never_makes_another_model(phone: tuple[str, str], frame: str, noise: object, picks: list[bool]) -> None:
    assert callable(noise)
    brand, name = phone
    text = frame.format(noise(spoken(brand, name), picks))
    for got in model_of(text):
        assert plain(brand, got) == plain(brand, name), text


@settings(max_examples=800, deadline=None, derandomize=True)
@given(st.sampled_from(NAMED), st.sampled_from(MODIFIERS + UNKNOWN), st.sampled_from(FRAMES))
def test_a_modifier_is_never_dropped(phone: tuple[str, str], extra: str, frame: str) -> None:
    """With one more modifier the text names another model of the catalogue or none: never the shorter one."""
    brand, name = phone
    text = frame.format(f"{spoken(brand, name)} {extra}")
    for got in model_of(text):
        assert plain(brand, got) != plain(brand, name), text


@settings(max_examples=800, deadline=None, derandomize=True)
@given(st.sampled_from(NAMED), st.sampled_from(FRAMES))
def test_a_modifier_is_never_added(phone: tuple[str, str], frame: str) -> None:
    """Without its last word a name never yields the longer model."""
    brand, name = phone
    said = spoken(brand, name).split(" ")
    if len(said) < 3:
        return
    text = frame.format(" ".join(said[:-1]))
    for got in model_of(text):
        assert plain(brand, got) != plain(brand, name), text


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_survived(text: str) -> None:
    result = normalise(text)
    assert all(0 <= token.start < token.end <= len(text) for token in result.tokens)
    places = [token.start for token in result.tokens]
    assert places == sorted(places)
    find_devices(result, 0, CATALOGUE)
