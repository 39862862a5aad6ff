"""Makers and words of a tenant's own price list, which the shared alias file does not know, and how people write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from battcrm.extraction.gazetteer.aliases import Alias, aliases, cases_of
from battcrm.extraction.gazetteer.cells import Cell
from battcrm.extraction.gazetteer.names import atoms
from battcrm.extraction.normalise_morph import is_word

_SOUNDS: Final = {
    "a": "а", "b": "б", "c": "к", "d": "д", "e": "е", "f": "ф", "g": "г", "h": "х", "i": "и", "j": "дж", "k": "к", "l": "л",
    "m": "м", "n": "н", "o": "о", "p": "п", "q": "к", "r": "р", "s": "с", "t": "т", "u": "у", "v": "в", "w": "в", "x": "кс",
    "y": "й", "z": "з", "sh": "ш", "ch": "ч", "zh": "ж", "kh": "х", "ph": "ф", "th": "т", "ck": "к", "ee": "и", "oo": "у",
    "ya": "я", "yu": "ю", "yo": "йо",
}  # fmt: skip
_VOWELS: Final = frozenset("aeiou")
_MIN_WORD: Final = 3


@dataclass(frozen=True, slots=True)
class OwnNames:
    """Written forms of makers the alias file lacks, and of words of own model names (form -> atom of the name)."""

    makers: Mapping[str, Alias] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.makers or self.words)

    def joined(self, other: OwnNames) -> OwnNames:
        """Both together; the other's forms win."""
        return OwnNames({**self.makers, **other.makers}, {**self.words, **other.words})

    def told(self, cells: Sequence[Cell]) -> list[Cell]:
        """The cells, with these names readable in them."""
        return [self._told(cell) for cell in cells]

    def _told(self, cell: Cell) -> Cell:
        maker = self.makers.get(cell.norm)
        if maker is not None:
            return cell._replace(readings=(maker.atoms,), alias=maker, fuzzy=False)
        atom = self.words.get(cell.norm)
        if atom is None or (cell.alias is not None and not cell.fuzzy):
            return cell
        return cell._replace(
            readings=((atom,), *cell.readings) if not cell.fuzzy else ((atom,),), alias=None, fuzzy=False
        )


def own_names(names: Iterable[tuple[str, str]]) -> OwnNames:
    """What has to be known of (maker, model) names beside the names themselves.

    A maker that is an ordinary Russian word ("Халва") is no maker by itself: only its models are known.
    """
    makers: dict[str, Alias] = {}
    words: dict[str, str] = {}
    for brand, name in names:
        said = atoms(brand)
        if not said:
            continue
        if not is_known(brand):
            _add_maker(makers, brand.strip(), said)
        for atom in (*atoms(name), *said[1:]):
            for form in (atom, sound_of(atom)):
                if len(form) >= _MIN_WORD and form.isalpha() and not form.isascii() and form not in aliases():
                    words.setdefault(form, atom)
    return OwnNames(makers, words)


def is_known(brand: str) -> bool:
    """Whether the shared alias file has the maker."""
    known = aliases()
    return brand.strip().lower() in known or "".join(atoms(brand)) in known


def _add_maker(makers: dict[str, Alias], brand: str, said: tuple[str, ...]) -> None:
    alias = Alias("brand", ("".join(said),), brand, "")
    for word in {said[0], alias.atoms[0]}:
        for form in (word, *cases_of(sound_of(word))):
            if len(form) >= _MIN_WORD and form not in aliases() and not (not form.isascii() and is_word(form)):
                makers.setdefault(form, alias)


def sound_of(word: str) -> str:
    """A Latin word as Russians spell it by ear, roughly ("oysters" -> "ойстерс"); other words come back as they are."""
    if not (word.isascii() and word.isalpha()):
        return word
    out, at = "", 0
    while at < len(word):
        pair, letter = word[at : at + 2], word[at]
        if len(pair) == 2 and pair in _SOUNDS:
            out, at = out + _SOUNDS[pair], at + 2
            continue
        after_vowel = at > 0 and word[at - 1] in _VOWELS
        out += "и" if letter == "y" and not after_vowel and at > 0 else _SOUNDS[letter]
        at += 1
    return out
