"""Tokens as the scanner sees them: what model-name atoms each one can be, and what it says about the maker."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from battcrm.extraction import normalise_chars as chars
from battcrm.extraction.gazetteer.aliases import Alias, aliases, vocabulary
from battcrm.extraction.gazetteer.fuzzy import near_alias
from battcrm.extraction.gazetteer.neutral import is_neutral
from battcrm.extraction.normalise_morph import has_case, is_word
from battcrm.extraction.normalise_numbers import ORDINAL_TAILS, names_model

_PARTS: Final = re.compile(r"\d+|[^\W\d_]+")
_MAX_READINGS: Final = 12
_MAX_WORD: Final = 64
_MIN_GLUED: Final = 6
_SHORT_HEADS: Final = frozenset(("ps", "пс"))
_MIN_HEAD: Final = 4
# Readings of a lone Cyrillic letter in a model name: by sound first, by shape second.
LETTERS: Final[dict[str, tuple[str, ...]]] = {
    "а": ("a",), "б": ("b",), "в": ("v", "b"), "г": ("g",), "д": ("d",), "е": ("e",), "з": ("z",), "и": ("i",),
    "і": ("i",), "к": ("k",), "л": ("l",), "м": ("m",), "н": ("n", "h"), "о": ("o",), "п": ("p",),
    "р": ("r", "p"), "с": ("s", "c"), "т": ("t",), "у": ("u", "y"), "ф": ("f",), "х": ("x", "h"), "ц": ("c",),
    "э": ("e",), "ю": ("u",),
}  # fmt: skip
_RUNS: Final = re.compile(r"[a-z]+|[^a-z]+")
_MODIFIERS: Final = Alias("mod", (), "", "")
_WITH: Final = frozenset(("gent", "ablt", "gen2"))
_SKIPPED: Final = frozenset("-_‑–—()«»\"'")


class TokenLike(Protocol):
    """The part of a normalised token the scanner reads."""

    @property
    def text(self) -> str: ...
    @property
    def norm(self) -> str: ...
    @property
    def lemma(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def glued(self) -> bool: ...


class Shape(NamedTuple):
    """What a written form can be, apart from its place: possible atoms, and the alias it is."""

    readings: tuple[tuple[str, ...], ...]
    alias: Alias | None
    fuzzy: bool


class Cell(NamedTuple):
    """One or more tokens read as one unit. `first` and `last` are token indices (inclusive).

    `skip`: a mark that may stand inside a name without meaning: hyphens, brackets, quotes. A named tuple, as several
    are made for every message.
    """

    norm: str
    lemma: str
    kind: str
    readings: tuple[tuple[str, ...], ...]
    alias: Alias | None
    fuzzy: bool
    first: int
    last: int
    glued: bool
    spelled: bool
    skip: bool = False


def cells_of(tokens: Sequence[TokenLike], decimals: frozenset[str]) -> list[Cell]:
    """Cells of the tokens, in order; spelled-out numbers and decimals ("12.9") are joined."""
    out: list[Cell] = []
    at = 0
    count = len(tokens)
    while at < count:
        token = tokens[at]
        norm, kind = token.norm, token.kind
        if kind in ("punct", "emoji"):
            shape = shape_of(norm, kind)
            out.append(
                Cell(norm, norm, kind, shape.readings, None, False, at, at, token.glued, False, norm in _SKIPPED)
            )
            at += 1
        elif kind == "word" and 1 < len(norm) <= _MAX_WORD:
            readings, alias, fuzzy = shape_of(norm, kind)
            out.append(Cell(norm, token.lemma, kind, readings, alias, fuzzy, at, at, token.glued, False))
            at += 1
        else:
            at += _add_cells(out, tokens, at, decimals)
    return out


def _add_cells(out: list[Cell], tokens: Sequence[TokenLike], at: int, decimals: frozenset[str]) -> int:
    """Adds what begins with the number, code or lone letter at `at`; returns how many tokens it took."""
    token = tokens[at]
    if len(token.norm) > _MAX_WORD:
        out.append(Cell(token.norm, token.norm, "word", (), None, False, at, at, token.glued, False))
        return 1
    parts = _glued_head(token.norm) if token.kind == "code" else None
    if parts is not None:
        out.extend(_two_cells(parts, at, token.glued))
        return 1
    joined = _spelled_out(tokens, at) if len(token.norm) == 1 else ""
    if joined:
        size, norm = 2, joined
    else:
        size, norm = _joined(tokens, at, decimals) if token.kind == "number" else (1, token.norm)
    readings, alias, fuzzy = shape_of(norm, token.kind)
    spelled = (
        token.kind == "number"
        and (token.text != token.norm or (size == 3 and "." not in norm))
        and names_model(token.text)
    )
    last = at + size - 1
    out.append(Cell(norm, token.lemma, token.kind, readings, alias, fuzzy, at, last, token.glued, spelled))
    return size


def _two_cells(parts: tuple[str, str], at: int, glued: bool) -> list[Cell]:
    """Cells of a maker and a name written as one token ("iphone13pro")."""
    head, tail = parts
    kind = "number" if tail.isdecimal() else "code"
    first, second = shape_of(head, "word"), shape_of(tail, kind)
    return [
        Cell(head, head, "word", first.readings, first.alias, False, at, at, glued, False),
        Cell(tail, tail, kind, second.readings, second.alias, False, at, at, True, False),
    ]


@lru_cache(maxsize=20_000)
def _glued_head(code: str) -> tuple[str, str] | None:
    """("iphone", "13pro") of "iphone13pro"; None when the code does not begin with a maker or line."""
    letters = _PARTS.match(code)
    if letters is None or letters.group().isdecimal():
        return None
    if letters.group() in _SHORT_HEADS:
        return letters.group(), code[len(letters.group()) :]
    if len(letters.group()) < _MIN_HEAD:
        return None
    head = _head_of(letters.group())
    if not head:
        return None
    shorter = aliases().get(head[:-1])
    if shorter == aliases()[head] and shorter.brand == "Samsung" and head.endswith("а"):
        head = head[:-1]
    return head, code[len(head) :]


def _spelled_out(tokens: Sequence[TokenLike], at: int) -> str:
    """Two lone letters or digits that make one part of a name: "f e", "х р", and "1 1" after a maker or letter."""
    if at == 0 or at + 1 >= len(tokens):
        return ""
    first, second = tokens[at], tokens[at + 1]
    if len(first.norm) != 1 or len(second.norm) != 1 or second.glued or not second.norm.isalnum():
        return ""
    joined = first.norm + second.norm
    before = tokens[at - 1].norm
    if joined.isdecimal():
        third = tokens[at + 2].norm if at + 2 < len(tokens) else ""
        led = (before in LETTERS or before in aliases()) if first.norm == "1" else before in LETTERS
        return joined if led and not third.isdecimal() and first.text == first.norm else ""
    if second.norm == "с" and at + 2 < len(tokens) and _is_with(tokens[at + 2]):
        return ""
    alias = aliases().get(joined)
    named = tokens[at - 1].kind in ("number", "code") or before in aliases()
    return joined if named and alias is not None and alias.kind == "mod" else ""


def _is_with(token: TokenLike) -> bool:
    """Whether "с" before the token is the preposition: a noun or adjective in a case of its own follows."""
    return token.kind == "word" and not token.norm.isascii() and has_case(token.norm, _WITH)


def _joined(tokens: Sequence[TokenLike], at: int, decimals: frozenset[str]) -> tuple[int, str]:
    token = tokens[at]
    linked = at + 2 < len(tokens) and tokens[at + 1].glued and tokens[at + 2].glued
    if linked and tokens[at + 1].text == "-" and tokens[at + 2].text in ORDINAL_TAILS:
        return 3, token.norm
    if linked and tokens[at + 1].text in ".,":
        joined = f"{token.norm}.{tokens[at + 2].norm}"
        if joined in decimals:
            return 3, joined
    follower = tokens[at + 1] if at + 1 < len(tokens) else None
    if follower is None or not token.text.isalpha() or not follower.text.isalpha() or follower.kind != "number":
        return 1, token.norm
    tens, ones = int(token.norm), int(follower.norm)
    if 20 <= tens <= 90 and tens % 10 == 0 and 1 <= ones <= 9:
        return 2, str(tens + ones)
    return 1, token.norm


@lru_cache(maxsize=50_000)
def shape_of(norm: str, kind: str) -> Shape:
    """Readings and alias of a written form; cached by form."""
    if kind == "number":
        return Shape(((norm,),), None, False)
    if kind == "punct":
        return Shape((("plus",),) if norm == "+" else (), None, False)
    if kind == "emoji":
        return Shape((), None, False)
    alias = aliases().get(norm)
    if kind == "code" and alias is None:
        return Shape(_code_readings(norm), None, False)
    if alias is not None and (len(norm) > 1 or norm not in LETTERS):
        return Shape((alias.atoms,), alias, False)
    if len(norm) == 1:
        return Shape(tuple((letter,) for letter in LETTERS.get(norm, (norm,))), None, False)
    return _word_shape(norm)


def _word_shape(norm: str) -> Shape:
    glued = _split_glued(norm)
    if glued is not None:
        return Shape((glued,), aliases()[_head_of(norm)] if _head_of(norm) else _MODIFIERS, False)
    if norm.isascii():
        return Shape(((norm,),), None, False)
    near = near_alias(norm)
    if near is not None:
        return Shape((near.atoms,), near, True)
    if len(norm) <= 3 and not is_neutral(norm):
        return Shape(_letter_readings(norm), None, False)
    return Shape((), None, False)


def _code_readings(code: str) -> tuple[tuple[str, ...], ...]:
    options = [_part_options(part) for part in _PARTS.findall(code)]
    product = itertools.islice(itertools.product(*options), _MAX_READINGS)
    return tuple(tuple(itertools.chain.from_iterable(choice)) for choice in product)


def _part_options(part: str) -> tuple[tuple[str, ...], ...]:
    if part.isdecimal():
        return ((part,),)
    if chars.has_latin(part) and chars.has_cyrillic(part):
        return _mixed_options(part)
    if len(part) == 1:
        return tuple((letter,) for letter in LETTERS.get(part, (part,)))
    alias = aliases().get(part)
    if alias is not None:
        return (alias.atoms,)
    split = _split_glued(part)
    if split is not None:
        return (split,)
    if part.isascii():
        return ((part,),)
    return _letter_readings(part) if len(part) <= 3 else ()


def _mixed_options(part: str) -> tuple[tuple[str, ...], ...]:
    """Latin and Cyrillic letters in one run: look-alikes, else two words glued ("proплюс")."""
    shape = chars.to_latin_shape(part)
    if shape.isascii():
        return _part_options(shape)
    runs = [aliases().get(run) for run in _RUNS.findall(part)]
    return (tuple(atom for alias in runs if alias for atom in alias.atoms),) if all(runs) else ()


def _letter_readings(part: str) -> tuple[tuple[str, ...], ...]:
    mixed = [LETTERS.get(char, (char,)) for char in part]
    return tuple(("".join(choice),) for choice in itertools.islice(itertools.product(*mixed), _MAX_READINGS))


@lru_cache(maxsize=20_000)
def _split_glued(word: str) -> tuple[str, ...] | None:
    """Atoms of several aliases written as one word ("айфонхр", "redminotepro"), or None."""
    if len(word) < _MIN_GLUED or word in vocabulary() or (chars.has_cyrillic(word) and is_word(word)):
        return None
    head = _head_of(word)
    if head == word:
        return None
    return _rest(word[len(head) :], aliases()[head].atoms) if head else _rest(word, ())


def _rest(tail: str, done: tuple[str, ...]) -> tuple[str, ...] | None:
    if not tail:
        return done
    for size in range(len(tail), 2 if not done else 1, -1):
        alias = aliases().get(tail[:size])
        if alias is not None and alias.kind in ("line", "mod", "family"):
            found = _rest(tail[size:], done + alias.atoms)
            if found is not None:
                return found
    return (*done, tail) if tail in ("x", "s", "e") else None


def _head_of(word: str) -> str:
    for size in range(len(word), 3, -1):
        alias = aliases().get(word[:size])
        if alias is not None and alias.kind in ("brand", "family"):
            return word[:size]
    return ""
