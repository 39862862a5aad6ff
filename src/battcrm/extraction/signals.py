"""What else a text says besides the wish: greetings, consent, choices, phones, abuse. Rules only, no state."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from battcrm.extraction.normalise import MAX_CHARS
from battcrm.extraction.profanity import is_profane
from battcrm.extraction.rules.line import Line
from battcrm.extraction.rules.match import Hit, Word, class_of
from battcrm.models.facts import Signals

_PHONE_LIKE: Final = re.compile(r"(?:\+|\b)\d[\d\s()\-.]{8,18}\d")
_URL: Final = re.compile(
    r"https?://|www\.|\bt\.me/|\b[a-z0-9-]+\.(?:com|ru|net|shop|top|xyz|info|site|online)\b", re.IGNORECASE
)
_OWN_SITES: Final = re.compile(
    r"avito\.ru|ozon\.ru|wildberries|youtu|aliexpress|market\.yandex|dns-shop|2gis|yandex\.ru/maps", re.IGNORECASE
)
_ORDER: Final = re.compile(
    r"(?:заказ\w*|квитанц\w*|квиток|наряд\w*|заявк\w*|договор\w*|номер\w*|ремонт\w*|№|#)\s*(?:номер\w*|№|#|n|:)?\s*"
    r"([a-zа-я]{0,3}[-/]?\d{1,7}(?:[-/]\d{1,6})?)(?![\d\w]|\s*[\d(])",
    re.IGNORECASE,
)
_DIGIT: Final = re.compile(r"\d")
_STOP: Final = frozenset({"стоп", "stop", "отпишите", "отписаться", "отпишись", "хватит", "unsubscribe"})
_LONG_STOP: Final = 12
_STOP_PHRASES: Final = frozenset({"не пишите", "не пиши", "не надо писать", "не беспокойте", "не звоните"})
_YES_EMOJI: Final = frozenset("👍👌✅🤝")
_FIRM: Final = re.compile(
    r"(?<!\w)(?:запи(?:ш|с)|оформ|(?:за)?бронир|соглас(?:ен|на|ны)\b|подход(?:ит|ят)\b|устраива|договорил|годится|"
    r"пойд[её]т\b|давай(?:те)?\b|беру\b|(?:при|подъ?|за)(?:еду|йду|везу|несу)\b|приду\b|book\b|agreed\b|deal\b)",
    re.IGNORECASE,
)
# Who changes their mind and says what is to be done now has come back; "changed my mind" alone is a refusal.
_COMES_BACK: Final = re.compile(
    r"(?<!\w)передумал[аи]?\W+(?:вс[её][- ]таки\W+)?"
    r"(?:давай(?:те)?\b|запи(?:шите|сывайте)|дела(?:ем|йте)|буд(?:у|ем) делать|хочу)(?!.*\bне\b)",
    re.IGNORECASE,
)
_NO_EMOJI: Final = frozenset("👎❌")
_ORDINALS: Final = {
    "перв": 1, "втор": 2, "трет": 3, "четверт": 4, "пят": 5, "шест": 6, "седьм": 7, "восьм": 8, "девят": 9,
}  # fmt: skip
_CHOICE_FILLER: Final = frozenset(
    [
        "вариант",
        "вариантик",
        "пункт",
        "номер",
        "выбираю",
        "беру",
        "пожалуйста",
        "плиз",
        "давайте",
        "мне",
        "наверное",
        "наверно",
        "думаю",
        "под",
        "цифра",
        "№",
        "я",
    ]
)
_ENDING: Final = range(1, 4)
_LONG_CHOICE: Final = 40
_WORD: Final = re.compile(r"\w+")
_DISGUISED: Final = re.compile(r"\w+[@*$][\w@*$]+")
_PHONE_TEXT: Final = 2_000
"""Longer texts are pasted documents: their numbers are not the client's own."""
_MIN_LETTERS: Final = 12
_CYRILLIC: Final = re.compile("[\u0400-\u04ff]")
_UKRAINIAN: Final = re.compile(r"[іїєґ]", re.IGNORECASE)


def read_signals(texts: Sequence[str], line: Line, hits: Sequence[Hit], *, translit: bool) -> Signals:
    """Signals of a turn. `hits` are the standing hits of the book `signal`."""
    texts = [text[:MAX_CHARS] for text in texts]
    said = {hit.rule.value for hit in hits}
    whole = "\n".join(texts)
    polite = _small_talk(line)
    agrees, declines = _answers(line, said, whole)
    return Signals(
        greeting_only=polite == "greeting",
        thanks_only=polite == "thanks",
        wants_operator="wants_operator" in said,
        opt_out=_opt_out(line, said),
        spam="spam" in said or _advertises(whole),
        profanity=_profane(whole, line),
        threat="threat" in said,
        off_topic="off_topic" in said,
        injection="injection" in said,
        agrees=agrees,
        declines=declines,
        firm=agrees and _FIRM.search(whole) is not None,
        choice=_choice(texts),
        correction="correction" in said or any(mention.corrected for _, mention in line.devices),
        phones=find_phones(texts),
        order_numbers=find_orders(texts),
        language=language_of(whole, translit=translit),
    )


def _answers(line: Line, said: set[str], text: str) -> tuple[bool, bool]:
    """Whether the turn agrees, and whether it declines; a refusal outweighs."""
    if _COMES_BACK.search(text):
        return True, False
    agrees = "agrees" in said or (not line.words and bool(_YES_EMOJI & set("".join(line.emoji))))
    declines = "declines" in said or (not line.words and bool(_NO_EMOJI & set("".join(line.emoji))))
    return agrees and not declines, declines


def _small_talk(line: Line) -> str:
    """`greeting`, `thanks` or nothing: every word must belong to small talk."""
    words = line.words
    if not words or line.devices:
        return ""
    kinds = [_kind(word) for word in words]
    if not all(kinds):
        return ""
    if "thanks" in kinds:
        return "thanks"
    return "greeting" if "greeting" in kinds else ""


def _kind(word: Word) -> str:
    if class_of("@thanks") in word.classes:
        return "thanks"
    if class_of("@greet") in word.classes:
        return "greeting"
    return "small" if class_of("@small|@polite") in word.classes else ""


def _profane(text: str, line: Line) -> bool:
    if any(is_profane(word.norm) for word in line.words):
        return True
    return any(is_profane(piece) for piece in _DISGUISED.findall(text.lower()))


def _opt_out(line: Line, said: set[str]) -> bool:
    if len(line.words) > _LONG_STOP:
        return "opt_out" in said and not line.devices
    words = [word.norm for word in line.words if word.norm not in {"пожалуйста", "больше", "мне", "сюда", "все", "уже"}]
    text = " ".join(words)
    if text in _STOP_PHRASES or (len(words) <= 2 and bool(words) and set(words) <= _STOP):
        return True
    return "opt_out" in said and not line.devices


def _advertises(text: str) -> bool:
    return len(text) > 40 and bool(_URL.search(text)) and not _OWN_SITES.search(text)


def _choice(texts: Sequence[str]) -> int | None:
    """1..9 when the last message is nothing but a choice: "2", "второй", "вариант 3"."""
    if not texts or len(texts[-1]) > _LONG_CHOICE:
        return None
    words = [word for word in _WORD.findall(texts[-1].lower()) if word not in _CHOICE_FILLER]
    if len(words) != 1:
        return None
    word = words[0]
    if word.isdecimal():
        return int(word) if len(word) == 1 and word != "0" else None
    return next(
        (n for stem, n in _ORDINALS.items() if word.startswith(stem) and len(word) - len(stem) in _ENDING), None
    )


def find_phones(texts: Sequence[str]) -> tuple[str, ...]:
    """Phones in E.164, region RU, in order of appearance without repeats."""
    found: dict[str, None] = {}
    for text in texts:
        if len(text) <= _PHONE_TEXT and _PHONE_LIKE.search(text):
            found.update(dict.fromkeys(_phones_in(text)))
    return tuple(found)


@lru_cache(maxsize=1024)
def _phones_in(text: str) -> tuple[str, ...]:
    import phonenumbers

    matches = phonenumbers.PhoneNumberMatcher(text[:8000], "RU", leniency=phonenumbers.Leniency.VALID)
    numbers = [phonenumbers.format_number(m.number, phonenumbers.PhoneNumberFormat.E164) for m in matches]
    if not numbers:
        numbers = ["+7" + digits[1:] for digits in map(_digits, _PHONE_LIKE.findall(text)) if _dialled(digits)]
    return tuple(numbers)


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def _dialled(digits: str) -> bool:
    """A Russian mobile number as people dial it; the library's tables may not know a fresh or fictitious range."""
    return len(digits) == 11 and digits[0] in "78" and digits[1] == "9"


def find_orders(texts: Sequence[str]) -> tuple[str, ...]:
    """Order numbers that a word such as "заказ" or "№" introduces."""
    found = [m.group(1) for text in texts if _DIGIT.search(text) for m in _ORDER.finditer(text)]
    return tuple(dict.fromkeys(number for number in found if len(_digits(number)) < 10))


def language_of(text: str, *, translit: bool) -> str:
    """`ru`, `en` or `other`; fewer than twelve letters decide nothing and count as Russian."""
    if len(text) < _MIN_LETTERS or translit:
        return "ru"
    letters = "".join(filter(str.isalpha, text))
    if len(letters) < _MIN_LETTERS:
        return "ru"
    cyrillic = len(_CYRILLIC.findall(letters))
    latin = len(letters.encode("ascii", "ignore"))
    if cyrillic * 4 >= len(letters):
        return "other" if len(_UKRAINIAN.findall(text)) * 12 >= cyrillic and _UKRAINIAN.search(text) else "ru"
    return "en" if latin * 10 >= len(letters) * 9 else "other"
