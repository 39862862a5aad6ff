"""The small language of the rule tables: what a line means, and how it becomes something that can be matched.

A pattern is a sequence of elements separated by blanks:

    экран|диспле*   one word: alternatives, `*` = any ending
    =гаснуть        any form of a Russian word, given by its dictionary form
    @screen         one word of a named set
    ?очень          an optional word
    ~2              up to two other words in between, in the same clause, none of them a negation
    ~~4  ~~~4       the same, but commas may be crossed; sentence ends and messages too
    ~!2             the same as ~2, but negations may be skipped too (~~!4, ~~~!4 likewise)
    !не             the next word must not be this one (first in a pattern: the word before must not be)
    ^  $  $?        start of a sentence, its end, its end with a question mark
    ,  .            end of a clause; end of one that asks nothing
    *али            any word with this ending
    #num #dev       a number; a recognised device. #model: one whose model is known; #family: one without a model
    #thing          a device that is spoken of by itself, not the one a part is for ("айфон", but not "экран на айфон")
    #asks           the last word of a question
    #fault #part    in every table but `repair`: a word where a fault or service, or a bare part, was recognised
    #trouble        the same, of a fault alone

Guards follow a slash: `/ with @x` and `/ no @x` look at the sentence, `text @x` and `never @x` at the whole text;
`with %scooter` and `no %scooter` ask for the class of a device in the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from battcrm.kit.errors import Invalid

WORD: Final = 0
GAP: Final = 1
NOT: Final = 2
START: Final = 3
END: Final = 4
QUESTION: Final = 5

CLAUSE_END: Final = 6
STATED: Final = 7

_ANCHORS: Final = {"^": START, "$": END, "$?": QUESTION, ",": CLAUSE_END, ".": STATED}


@dataclass(frozen=True, slots=True)
class Element:
    """One step of a pattern. `cls` is a word class; gaps use `reach` (words), `border` (breaks below it may be crossed)."""

    kind: int
    cls: int = -1
    optional: bool = False
    reach: int = 0
    border: int = 1
    over_not: bool = False


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition on the surroundings: a word class in the sentence, or a tag of the text."""

    wanted: bool
    cls: int = -1
    tag: str = ""
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a table: what it says (`book`, `value`), how sure it is, and when. `lead` is the class of the word it
    starts with, -1 when that word is optional. A gap never jumps over a word of class `barrier`."""

    book: str
    value: str
    confidence: float
    kind: str
    elements: tuple[Element, ...]
    guards: tuple[Guard, ...]
    needs: frozenset[int]
    lead: int
    source: str
    barrier: int = -1


class Classes:
    """Word classes: every distinct element of the tables is one, numbered in order of appearance."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self.sets: dict[str, list[str]] = {}
        self.exact: dict[str, set[int]] = {}
        self.prefix: dict[str, set[int]] = {}
        self.suffix: dict[str, set[int]] = {}
        self.lemma: dict[str, set[int]] = {}

    def of(self, expression: str) -> int:
        """The class of an element such as `экран|диспле*|@lcd`."""
        known = self._ids.get(expression)
        if known is not None:
            return known
        number = self._ids[expression] = len(self._ids)
        for form in self._forms(expression, ()):
            if form.startswith("*"):
                self.suffix.setdefault(form[1:], set()).add(number)
            elif form.startswith("="):
                self.lemma.setdefault(form[1:], set()).add(number)
            elif form.endswith("*"):
                self.prefix.setdefault(form[:-1], set()).add(number)
            else:
                self.exact.setdefault(form, set()).add(number)
        return number

    def _forms(self, expression: str, seen: tuple[str, ...]) -> list[str]:
        forms: list[str] = []
        for part in expression.split("|"):
            if not part.startswith("@"):
                forms.append(part)
                continue
            if part in seen or part not in self.sets:
                raise Invalid(f"rule table: set {part} is unknown or refers to itself", field=part)
            for item in self.sets[part]:
                forms.extend(self._forms(item, (*seen, part)))
        return forms


def parse_element(text: str, classes: Classes) -> Element:
    """One element. Raises Invalid for a malformed gap."""
    if text in _ANCHORS:
        return Element(_ANCHORS[text])
    if text.startswith("~"):
        tildes = len(text) - len(text.lstrip("~"))
        border = {1: 1, 2: 2}.get(tildes, 9)
        digits = text.lstrip("~").lstrip("!")
        if not digits.isdigit():
            raise Invalid(f"rule table: bad gap {text!r}", field=text)
        return Element(GAP, reach=int(digits), border=border, over_not="!" in text)
    if text.startswith("!"):
        return Element(NOT, classes.of(text[1:]))
    if text.startswith("?") and len(text) > 1:
        return Element(WORD, classes.of(text[1:]), optional=True)
    return Element(WORD, classes.of(text))


def parse_guards(text: str, classes: Classes) -> tuple[Guard, ...]:
    """`with @a no %b …` as guards."""
    words = text.split()
    if len(words) % 2:
        raise Invalid(f"rule table: bad guard {text!r}", field=text)
    guards = []
    for verb, what in zip(words[::2], words[1::2], strict=True):
        if verb not in {"with", "no", "text", "never"}:
            raise Invalid(f"rule table: bad guard {text!r}", field=text)
        tag = what[1:] if what.startswith("%") else ""
        cls = -1 if tag else classes.of(what)
        guards.append(Guard(verb in {"with", "text"}, cls, tag, verb in {"text", "never"}))
    return tuple(guards)
