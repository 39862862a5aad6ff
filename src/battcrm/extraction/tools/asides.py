"""What a client names without asking for it: a denied fault, a healthy part, an earlier repair, a fear, hearsay."""

from __future__ import annotations

from typing import Final

from battcrm.extraction.rules.line import Line
from battcrm.extraction.rules.match import CLAUSE, SENTENCE, Hit, class_of

_NOT: Final = frozenset({"не", "ни"})
_ABILITIES: Final = frozenset({"unlock", "data_recovery"})
"""What "не" before the word does not deny: "не разблокируется" is the trouble itself."""
_FEARED: Final = frozenset(
    ["боюсь", "боимся", "боится", "опасаюсь", "опасаемся", "чтобы", "чтоб", "лишь", "вдруг", "жалко"]
)
"""Words before a part that is feared for or aimed at."""
_BLAMED: Final = frozenset(
    ["сказали", "сказал", "сказала", "говорят", "говорил", "говорили", "предположили", "подозреваю", "грешу"]
)
"""Words before what somebody else takes for the trouble."""
_STILL: Final = frozenset(
    {"пока", "еще", "вроде", "весь", "вся", "все", "полностью", "абсолютно", "сам", "сама", "вполне"}
)
_NOW: Final = frozenset({"теперь", "сейчас", "щас", "нынче"})
_LONG_AGO: Final = frozenset({"год", "года", "лет", "полгода", "месяцев"})
_THAT: Final = frozenset({"что", "чтобы", "чтоб"})
"""Words that carry on what was said before the comma."""
_STORY: Final = 9
"""Words between a part and the verb that says it was changed ("экран в том году в другом месте поменял")."""
_SAID_REACH: Final = 5
_BACK: Final = 3
_AGO_REACH: Final = 6


def is_denied(hit: Hit, line: Line) -> bool:
    """Whether the client says there is no such trouble: "не греется", "не тонул", "задняя крышка целая"."""
    words = line.words
    if _is_alive(hit, line):
        return True
    if hit.first == 0 or words[hit.first].before >= CLAUSE or words[hit.first - 1].norm not in _NOT:
        return False
    if hit.rule.value in _ABILITIES or words[hit.first].norm in _NOT:
        return False
    return all(word.norm != "ли" for word in words[hit.first + 1 : hit.last + 2])


def _is_alive(hit: Hit, line: Line) -> bool:
    """Whether the words that only name a part go on to say that it is whole."""
    words, after = line.words, hit.last + 1
    if after < len(words) and not words[after].before and words[after].norm in _STILL:
        after += 1
    if after >= len(words) or words[after].before >= CLAUSE or class_of("@alive") not in words[after].classes:
        return False
    part = class_of("@own_part")
    plain = part in words[hit.last].classes and not any(
        class_of("@break|@wrong") in word.classes or word.norm in _NOT for word in words[hit.first : after]
    )
    return plain and not (hit.first > 0 and words[hit.first - 1].norm in _NOT)


def is_aside(hit: Hit, line: Line) -> bool:
    """Whether the words belong to the story and not to the wish. Counts only beside something that is wished."""
    return _is_history(hit, line) or _is_supposed(hit, line) or _is_long_ago(hit, line) or _is_over(hit, line)


def _is_history(hit: Hit, line: Line) -> bool:
    """A part that was changed before ("меняли экран, теперь нет звука"), or came so ("взял с новой батареей")."""
    words, past = line.words, class_of("@past_fix")
    for at in range(hit.last, max(hit.first - _BACK, -1), -1):
        if past in words[at].classes:
            return True
        if words[at].norm == "после":
            return any(class_of("@done") in word.classes for word in words[at + 1 : at + 3])
        if words[at].before >= CLAUSE and at <= hit.first:
            break
    return bool(hit.rule.kind) and (_changed_later(hit, line) or _came_with(hit, line))


def _changed_later(hit: Hit, line: Line) -> bool:
    """Whether the clause goes on to say that the part was changed."""
    words, past = line.words, class_of("@past_fix")
    for at in range(hit.last + 1, min(hit.last + _STORY, len(words))):
        if words[at].before >= CLAUSE or words[at].norm in _NOT:
            return False
        if past in words[at].classes:
            return True
    return False


def _came_with(hit: Hit, line: Line) -> bool:
    before = [word.norm for word in line.words[max(0, hit.first - 2) : hit.first]]
    return len(before) == 2 and before[0] in {"с", "со"} and before[1].startswith("нов")


def _is_supposed(hit: Hit, line: Line) -> bool:
    """A part that might suffer ("боюсь матрицу порвёт") or what others blame ("сказали что плата")."""
    words, said = line.words, _BLAMED | _FEARED if hit.rule.kind else _BLAMED
    for at in range(hit.first - 1, max(hit.first - 1 - _SAID_REACH, -1), -1):
        if words[at + 1].before >= CLAUSE and words[at + 1].norm not in _THAT:
            return False
        if words[at].norm in said:
            return True
    return False


def _is_over(hit: Hit, line: Line) -> bool:
    """What used to be ("раньше тормозил"), where the text goes on to what is now."""
    words = line.words
    for at in range(hit.first - 1, max(hit.first - 1 - _BACK, -1), -1):
        if words[at + 1].before >= SENTENCE:
            return False
        if words[at].norm == "раньше":
            return any(word.norm in _NOW for word in words[hit.last + 1 :])
    return False


def _is_long_ago(hit: Hit, line: Line) -> bool:
    """Something that happened half a year ago or more and was got over."""
    words = line.words
    first, last = max(hit.first - _AGO_REACH, 0), min(hit.last + _AGO_REACH, len(words))
    for at in range(hit.first, first, -1):
        if words[at].before >= CLAUSE:
            first = at
            break
    for at in range(hit.last + 1, last):
        if words[at].before >= CLAUSE:
            last = at
            break
    near = [word.norm for word in words[first:last]]
    return "назад" in near and not _LONG_AGO.isdisjoint(near)
