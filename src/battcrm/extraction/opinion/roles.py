"""The play of a text in a few roles: who has, gets, brings or fits a part, and whose it is.

"Экранчик у меня свой, воткнуть скок" and "дисплей имеется мой, сколько поставить" share no word but tell one story. Words
are replaced by the role of the named set they belong to, all others are left out, and what stays is read in twos and threes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Final

from battcrm.extraction.rules.match import SENTENCE, Word
from battcrm.extraction.rules.table import load_rules

ROLE: Final = ">"
"""How the name of such a feature begins. They do not count in the length of a text: they say again what its words say."""
_ROLES: Final = (
    ("part", ("@own_part",)),
    ("thing", ("#thing",)),
    ("for", ("#dev",)),
    ("mine", ("@mine_own",)),
    ("yours", ("@your",)),
    ("you", ("@you",)),
    ("fit-you", ("@fit", "@you_do")),
    ("fit-me", ("@myself_fit",)),
    ("you-get", ("@you_get",)),
    ("got", ("@acquired",)),
    ("will-get", ("@will_get",)),
    ("to-get", ("@to_get",)),
    ("carry", ("@carry",)),
    ("arrive", ("@arrive",)),
    ("gave", ("@gave",)),
    ("coming", ("@coming",)),
    ("market", ("@market",)),
    ("fit", ("@fit",)),
    ("have", ("@have",)),
    ("quality", ("@quality",)),
    ("whose", ("@whose",)),
    ("included", ("@included",)),
    ("owner", ("@owner_word",)),
    ("self", ("@self",)),
    ("me", ("@me",)),
    ("or-if", ("@or_if",)),
    ("only", ("@only",)),
    ("work", ("@work_word",)),
    ("price", ("@price",)),
    ("harm", ("@harm",)),
)
"""Roles in order of precedence, each with the word sets it takes all of."""
_NOT: Final = frozenset({"не", "нет", "нету", "без", "ни"})


def play_of(words: Sequence[Word]) -> tuple[str, ...]:
    """The roles of a text in order, with marks of sentences and questions. Empty where nothing plays a role."""
    play = ["^"]
    for word in words:
        if word.before >= SENTENCE and len(play) > 1:
            play.append(".")
        role = "not" if word.norm in _NOT else _role_of(word.classes)
        if role:
            play.append(role)
        if word.question:
            play.append("?")
    return (*play, "$") if len(play) > 1 else ()


def role_features(play: Sequence[str]) -> list[str]:
    """A play read in twos (neighbours, and with one between) and threes."""
    twos = [f"{ROLE}{one}>{two}" for one, two in itertools.pairwise(play)]
    over = [f"{ROLE}{one}~{two}" for one, two in zip(play, play[2:], strict=False)]
    threes = [f"{two}>{last}" for two, last in zip(twos, play[2:], strict=False)]
    return twos + over + threes


@lru_cache(maxsize=1 << 14)
def _role_of(classes: frozenset[int]) -> str:
    return next((role for role, needed in _numbered() if needed <= classes), "")


@cache
def _numbered() -> tuple[tuple[str, frozenset[int]], ...]:
    """Roles with the numbers of the classes they need."""
    table = load_rules().classes
    return tuple((role, frozenset(map(table.of, names))) for role, names in _ROLES)
