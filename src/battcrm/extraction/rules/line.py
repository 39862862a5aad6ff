"""The words of a turn as the rules see them: several messages in a row, devices folded into one pseudo-word each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from battcrm.extraction.normalise import Normalised, Token
from battcrm.extraction.rules.match import CLAUSE, MESSAGE, SENTENCE, Hit, Word, class_of, classes_of, special
from battcrm.extraction.tools.model import DeviceMention
from battcrm.models.facts import Span

_BREAKS: Final = {
    ",": 1,
    ";": 1,
    ":": 1,
    "(": 1,
    ")": 1,
    "—": 1,
    "–": 1,
    "/": 1,
    "+": 1,
    ".": 2,
    "!": 2,
    "?": 2,
    "…": 2,
}
_JOINED: Final = {
    ("вай", "фай"): "вайфай", ("wi", "fi"): "вайфай", ("вай", "фая"): "вайфай", ("вай", "фаю"): "вайфай", ("wai", "fai"): "вайфай",
    ("touch", "id"): "тачайди", ("тач", "айди"): "тачайди", ("тач", "ид"): "тачайди",
    ("face", "id"): "фейсайди", ("фейс", "айди"): "фейсайди", ("фейс", "ид"): "фейсайди",
    ("type", "с"): "тайпси", ("type", "c"): "тайпси", ("тайп", "си"): "тайпси", ("тайп", "с"): "тайпси", ("трейд", "ин"): "трейдин", ("trade", "in"): "трейдин",
    ("б", "у"): "бу", ("не", "а"): "неа", ("usb", "c"): "usb", ("микро", "юсб"): "юсб", ("power", "bank"): "повербанк",
    ("тач", "скрин"): "тачскрин", ("пин", "код"): "пинкод", ("пин", "кода"): "пинкод", ("кто", "нибудь"): "кто-нибудь", ("что", "то"): "что-то",
    ("блю", "туз"): "блютуз", ("hdd", "диск"): "hdd", ("сим", "карта"): "симкарта", ("сим", "карту"): "симкарту", ("сим", "карты"): "симкарты",
}  # fmt: skip
_TAGS: Final = {
    "ноут": "laptop", "лептоп": "laptop", "макбук": "laptop", "леново": "laptop", "телевизор": "tv", "телик": "tv", "телек": "tv", "монитор": "tv",
    "самокат": "scooter", "электросамокат": "scooter", "гироскутер": "scooter", "приставк": "console", "плойк": "console",
    "xbox": "console", "геймпад": "gamepad", "джойстик": "gamepad", "дуалсенс": "gamepad", "дуалшок": "gamepad", "джойкон": "gamepad",
    "пылесос": "vacuum", "робот": "vacuum", "шуруповерт": "tool", "шурик": "tool", "болгарк": "tool", "дрель": "tool", "перфоратор": "tool",
    "телефон": "phone", "смартфон": "phone", "айфон": "phone", "планшет": "tablet",
}  # fmt: skip


_MAKERS: Final = {
    "Ninebot": "scooter", "Kugoo": "scooter", "Kugoo Kirin": "scooter", "Segway": "scooter", "Dyson": "vacuum", "Roborock": "vacuum", "Dreame": "vacuum",
    "Makita": "tool", "Bosch": "tool", "DeWalt": "tool", "Metabo": "tool",
}  # fmt: skip
"""Makers of one kind of device."""
_FOR: Final = frozenset({"на", "для", "к", "от", "под", "в", "у", "с", "со", "из", "по"})
"""Words after which a device is only what something else is for, or comes from."""
_PERSONS: Final = frozenset(
    {"меня", "мне", "мной", "нас", "нам", "нами", "вас", "вам", "вами", "себя", "себе", "собой"}
)
"""After one of these the preposition is spent: "с собой айфон" speaks of the device, "с айфона" of what comes off it."""
_DESCRIBED: Final = 2


@dataclass(frozen=True, slots=True)
class Line:
    """Words of all messages in order, the devices among them (word index, mention) and the tags of the text."""

    words: tuple[Word, ...]
    devices: tuple[tuple[int, DeviceMention], ...]
    tags: frozenset[str]
    emoji: tuple[str, ...] = ()

    def span(self, first: int, last: int) -> Span:
        """Place of words first..last in the original texts; cut to the first word's message."""
        head = self.words[first]
        tail = self.words[last]
        return Span(head.message, head.start, tail.end if tail.message == head.message else head.end)

    def _asks_service(self, hit: Hit) -> bool:
        service = class_of("@fit|@fix|@clean")
        return any(service in word.classes for word in self.words[hit.first : hit.last + 1])

    def with_marks(self, hits: Sequence[Hit]) -> Line:
        """The same line with `#fault`, `#part` and `#trouble` marks on the words that end these repair hits."""
        marks: dict[int, set[str]] = {}
        for hit in hits:
            if hit.rule.value != "none":
                marks.setdefault(hit.last, set()).add("#part" if hit.rule.kind == "part" else "#fault")
                if hit.rule.kind != "part" and not self._asks_service(hit):
                    marks[hit.last].add("#trouble")
        if not marks:
            return self
        words = tuple(
            _marked(word, special(*sorted(marks[i]))) if i in marks else word for i, word in enumerate(self.words)
        )
        return Line(words, self.devices, self.tags, self.emoji)


def _marked(word: Word, marks: frozenset[int]) -> Word:
    # Not dataclasses.replace: this runs for every fault of every message, and replace costs ten times as much.
    return Word(word.norm, word.start, word.end, word.message, word.before, word.classes | marks, word.question)


def _asked(word: Word) -> Word:
    return Word(word.norm, word.start, word.end, word.message, word.before, word.classes | special("#asks"), True)


def _stands_alone(words: Sequence[Word], before: int) -> bool:
    """Whether a device that comes next is spoken of by itself, not as what a part is for ("экран на мой айфон")."""
    for back, word in enumerate(reversed(words[-_DESCRIBED:])):
        if before >= CLAUSE or word.norm in _PERSONS:
            return True
        if word.norm in _FOR and (not back or word.norm != "у"):
            return False
        if not back and class_of("@own_part") in word.classes:
            return False
        before = word.before
    return True


def build(texts: Sequence[Normalised], mentions: Sequence[Sequence[DeviceMention]]) -> Line:
    """The line of a turn. Mentions that name nothing (a bare "телефон") stay words."""
    words: list[Word] = []
    devices: list[tuple[int, DeviceMention]] = []
    emoji: list[str] = []
    tags: set[str] = set()
    for index, text in enumerate(texts):
        starts = {m.span[0]: m for m in mentions[index] if m.brand or m.model or m.candidates or m.open}
        _add_message(index, text, starts, words, devices, emoji)
        tags.update(m.device_class for m in mentions[index] if m.device_class)
        tags.update(_MAKERS[m.brand.value] for m in mentions[index] if m.brand and m.brand.value in _MAKERS)
    for word in words:
        tags.update(_tags_of(word.norm))
    return Line(tuple(words), tuple(devices), frozenset(tags), tuple(emoji))


@lru_cache(maxsize=1 << 14)
def _tags_of(norm: str) -> tuple[str, ...]:
    return tuple(tag for stem, tag in _TAGS.items() if norm.startswith(stem))


def _add_message(
    index: int,
    text: Normalised,
    starts: dict[int, DeviceMention],
    words: list[Word],
    devices: list[tuple[int, DeviceMention]],
    emoji: list[str],
) -> None:
    before = MESSAGE
    tokens = text.tokens
    at = 0
    last_end = 0
    while at < len(tokens):
        token = tokens[at]
        if "\n" in text.original[last_end : token.start]:
            before = max(before, SENTENCE)
        last_end = token.end
        if token.kind in {"punct", "emoji"} and at not in starts:
            before = max(before, _break_of(token, tokens, at))
            if token.text == "?" and words and words[-1].message == index:
                words[-1] = _asked(words[-1])
            if token.kind == "emoji":
                emoji.append(token.text)
            at += 1
            continue
        mention = starts.get(at)
        if mention is not None:
            last = max(mention.span[1] - 1, at)
            devices.append((len(words), mention))
            names = ["#dev", "#model" if mention.model or mention.candidates else "#family"]
            if _stands_alone(words, before):
                names.append("#thing")
            words.append(Word("#dev", token.start, tokens[last].end, index, before, special(*names)))
            at, last_end = last + 1, tokens[last].end
        else:
            at += _add_word(index, tokens, at, before, words, at + 1 in starts)
            last_end = words[-1].end
        before = 0


def _add_word(index: int, tokens: tuple[Token, ...], at: int, before: int, words: list[Word], alone: bool) -> int:
    token = tokens[at]
    step = 2 if at + 2 < len(tokens) and tokens[at + 1].text in {"-", "/"} and tokens[at + 2].glued else 1
    joined = None
    if at + step < len(tokens) and not alone:
        joined = _JOINED.get((token.norm, tokens[at + step].norm))
    if joined is not None:
        end = tokens[at + step].end
        words.append(Word(joined, token.start, end, index, before, classes_of(joined, "word")))
        return step + 1
    classes = classes_of(token.norm, token.kind)
    if class_of("@device") in classes and _stands_alone(words, before):
        classes |= special("#thing")
    words.append(Word(token.norm, token.start, token.end, index, before, classes))
    return 1


def _break_of(token: Token, tokens: tuple[Token, ...], at: int) -> int:
    if token.text == "-":
        glued_next = at + 1 < len(tokens) and tokens[at + 1].glued
        return 0 if token.glued and glued_next else CLAUSE
    if token.text == "." and at + 1 < len(tokens) and tokens[at + 1].glued and tokens[at + 1].kind == "number":
        return 0
    return _BREAKS.get(token.text, CLAUSE if token.kind == "emoji" else 0)
