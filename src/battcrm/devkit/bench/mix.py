"""The frozen mix of dialogues. Its hash is part of every report: numbers of different mixes do not compare."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from typing import Final

MODELS: Final = (
    ("Apple", "iPhone 11", "айфон 11"),
    ("Apple", "iPhone 12", "iphone 12"),
    ("Apple", "iPhone 12 Pro", "айфон 12 про"),
    ("Apple", "iPhone 13", "айфона 13"),
    ("Apple", "iPhone 13 Pro", "айфон 13 про"),
    ("Samsung", "Galaxy A52", "самсунг а52"),
    ("Samsung", "Galaxy S21", "samsung s21"),
    ("Samsung", "Galaxy A32", "галакси а32"),
    ("Xiaomi", "Redmi Note 10 Pro", "редми ноут 10 про"),
    ("Xiaomi", "POCO X3 Pro", "поко х3 про"),
    ("Honor", "Honor 90 Lite", "хонор 90 лайт"),
    ("Huawei", "P30 Lite", "хуавей п30 лайт"),
)
REPAIRS: Final = (
    (
        "screen",
        ("сколько стоит поменять экран на {m}?", "{m} разбил стекло, цена замены?", "треснул дисплей {m}, почём?"),
    ),
    ("battery", ("замена аккумулятора {m} сколько?", "{m} быстро садится, почём батарею поменять?")),
    ("charging_port", ("{m} не заряжается, сколько ремонт?", "разъём зарядки {m} поменять цена?")),
    ("camera", ("камера {m} не фокусирует, сколько стоит замена?",)),
)
INFO: Final = ("до скольки вы сегодня работаете?", "подскажите адрес мастерской", "карты к оплате принимаете?")
GREETINGS: Final = ("здравствуйте", "добрый день", "привет")
VAGUE: Final = ("сколько стоит поменять экран?", "нужна новая батарея, какая цена?")
OTHER: Final = ("хочу продать {m}", "есть чехол на {m}?", "мой заказ готов?")
OPEN: Final = (
    "аппарат quasar zx {n} чё-то барахлит, возьмётесь посмотреть",
    "прибор zentro {n} странно квакает при наклоне и фонит, разберётесь",
    "у штуковины vortex {n} бумкает внутри и мажет картинкой по диагонали",
)
THANKS: Final = "спасибо"
ANSWER_AFTER: Final = 3.0


@dataclass(frozen=True, slots=True)
class Line:
    """One message of a dialogue: seconds after its start, and what is written."""

    after: float
    text: str


@dataclass(frozen=True, slots=True)
class Dialogue:
    """What one new person writes. `kind` tells the parts of the mix apart."""

    kind: str
    lines: tuple[Line, ...]


_WEIGHTS: Final = {"quote": 34, "burst": 16, "two_turns": 16, "info": 14, "other": 12, "thanks": 8}


def mix_hash() -> str:
    """First 12 hex digits of the hash over everything that shapes the mix."""
    parts = (MODELS, REPAIRS, INFO, GREETINGS, VAGUE, OTHER, OPEN, THANKS, ANSWER_AFTER, sorted(_WEIGHTS.items()))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def dialogue(rng: random.Random, model_share: float) -> Dialogue:
    """A dialogue of the mix; with probability `model_share` one that needs a model."""
    spoken = rng.choice(MODELS)[2]
    if rng.random() < model_share:
        text = rng.choice(OPEN).format(n=rng.randint(3, 99))
        return Dialogue("open", (Line(0.0, text),))
    kind = rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
    price = rng.choice(rng.choice(REPAIRS)[1]).format(m=spoken)
    if kind == "burst":
        return Dialogue(kind, (Line(0.0, rng.choice(GREETINGS)), Line(0.02, price)))
    if kind == "two_turns":
        return Dialogue(kind, (Line(0.0, rng.choice(VAGUE)), Line(ANSWER_AFTER, spoken)))
    if kind == "thanks":
        return Dialogue(kind, (Line(0.0, price), Line(ANSWER_AFTER, THANKS)))
    if kind == "info":
        return Dialogue(kind, (Line(0.0, rng.choice(INFO)),))
    if kind == "other":
        return Dialogue(kind, (Line(0.0, rng.choice(OTHER).format(m=spoken)),))
    return Dialogue(kind, (Line(0.0, price),))
