"""The past of the shop «Ремонт на Лесной»: a seeded, realistic and imperfect record of repairs and a price list.

Pure: `generate` gives plain records; they enter a database through the same import service that a shop's files use.
Imperfect on purpose: prices drift and jump, tails are heavy, and five entries in a hundred are wrong.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

SHOP: Final = "Ремонт на Лесной"
WRONG_SHARE: Final = 0.05
_ROUBLE: Final = 100


@dataclass(frozen=True, slots=True)
class Device:
    """A model the shop sees; `weight` is its share of visits, `level` scales prices of parts and labour."""

    brand: str
    model: str
    device_class: str
    weight: float
    level: float


@dataclass(frozen=True, slots=True)
class PastRepair:
    """One line of the shop's journal. Kopecks; `client` is the number of a made-up client, None for a walk-in."""

    number: int
    client: int | None
    brand: str
    model: str
    device_class: str
    repair_types: tuple[str, ...]
    part_owner: str | None
    labour: int
    part: int
    total: int
    status: str
    opened_at: datetime
    closed_at: datetime | None
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class ListedPrice:
    """One line of the price list. Kopecks."""

    brand: str
    model: str
    repair_type: str
    part_name: str
    part_price: int | None
    labour_price: int
    stock: int
    quality: str
    priced_at: datetime


@dataclass(frozen=True, slots=True)
class History:
    """Everything, repairs in the order in which they were opened."""

    repairs: tuple[PastRepair, ...]
    prices: tuple[ListedPrice, ...]


DEVICES: Final = (
    Device("Apple", "iPhone 11", "phone", 9, 0.8),
    Device("Apple", "iPhone 12", "phone", 7, 1.0),
    Device("Apple", "iPhone 12 Pro", "phone", 3, 1.2),
    Device("Apple", "iPhone 13", "phone", 10, 1.2),
    Device("Apple", "iPhone 13 Pro", "phone", 5, 1.6),
    Device("Apple", "iPhone 13 Pro Max", "phone", 2, 1.8),
    Device("Apple", "iPhone 14", "phone", 5, 1.5),
    Device("Apple", "iPhone 14 Pro", "phone", 3, 2.1),
    Device("Apple", "iPhone XR", "phone", 5, 0.7),
    Device("Samsung", "Galaxy A52", "phone", 7, 0.7),
    Device("Samsung", "Galaxy A52s", "phone", 2, 0.75),
    Device("Samsung", "Galaxy S21", "phone", 4, 1.3),
    Device("Samsung", "Galaxy S22 Ultra", "phone", 2, 2.0),
    Device("Xiaomi", "Redmi Note 10 Pro", "phone", 8, 0.6),
    Device("Xiaomi", "Redmi Note 10", "phone", 4, 0.5),
    Device("Xiaomi", "Redmi Note 11", "phone", 5, 0.55),
    Device("Xiaomi", "Mi 11 Lite", "phone", 3, 0.7),
    Device("Honor", "Honor 50", "phone", 3, 0.7),
    Device("Apple", "iPad 9", "tablet", 3, 0.9),
    Device("Samsung", "Galaxy Tab A8", "tablet", 2, 0.7),
    Device("Lenovo", "IdeaPad 3", "laptop", 4, 1.1),
    Device("ASUS", "VivoBook 15", "laptop", 3, 1.1),
    Device("Apple", "MacBook Air M1", "laptop", 2, 2.6),
    Device("HP", "Pavilion 15", "laptop", 2, 1.1),
    Device("Xiaomi", "Pro 2", "scooter", 3, 1.0),
    Device("Ninebot", "Max G30", "scooter", 2, 1.3),
    Device("Kugoo", "S3", "scooter", 2, 0.7),
)
# repair type: (share, labour in roubles, part in roubles at level 1, Russian name of the part or "")
_Work = tuple[float, int, int, str]
_WORKS: Final[dict[str, dict[str, _Work]]] = {
    "phone": {
        "screen": (38, 1500, 5200, "Дисплей"),
        "battery": (24, 900, 1700, "Аккумулятор"),
        "charging_port": (12, 1200, 600, "Разъём зарядки"),
        "back_glass": (8, 2200, 900, "Заднее стекло"),
        "camera": (4, 1200, 2800, "Камера"),
        "speaker": (4, 1100, 500, "Динамик"),
        "water_damage": (5, 2400, 0, ""),
        "software": (5, 900, 0, ""),
    },
    "tablet": {
        "screen": (45, 1900, 4300, "Сенсорное стекло"),
        "battery": (25, 1500, 2100, "Аккумулятор"),
        "charging_port": (20, 1500, 500, "Разъём зарядки"),
        "software": (10, 1000, 0, ""),
    },
    "laptop": {
        "screen": (18, 1600, 5200, "Матрица"),
        "battery": (18, 800, 3300, "Аккумулятор"),
        "keyboard": (16, 1500, 2300, "Клавиатура"),
        "cleaning": (30, 1700, 0, ""),
        "software": (12, 1300, 0, ""),
        "hinge": (6, 2400, 900, "Петли"),
    },
    "scooter": {
        "battery": (20, 1700, 9800, "Аккумуляторная батарея"),
        "wheel": (45, 1000, 1200, "Покрышка"),
        "controller": (20, 1600, 3200, "Контроллер"),
        "charging_port": (15, 900, 450, "Порт зарядки"),
    },
}
_COMPANIONS: Final = {"screen": "battery", "battery": "charging_port", "back_glass": "battery", "cleaning": "software"}


def generate(seed: int, n: int = 2000, months: int = 18, *, now: datetime) -> History:
    """`n` repairs over the `months` before `now` and today's price list. The same arguments give the same history."""
    shop = _Shop(random.Random(seed), months * 30.4)
    ages = sorted((shop.days * shop.rng.random() ** 1.15 for _ in range(n)), reverse=True)
    repairs = [shop.repair(number, now - timedelta(days=age), age) for number, age in enumerate(ages, 1)]
    return History(tuple(_as_known_at(now, entry) for entry in repairs), tuple(shop.price_list(now)))


def _as_known_at(now: datetime, entry: PastRepair) -> PastRepair:
    """What is finished only after `now` is still open."""
    unfinished = entry.closed_at is not None and entry.closed_at > now
    return replace(entry, status="open", closed_at=None) if unfinished else entry


class _Shop:
    """The shop's habits, drawn once per seed: how each price moves, how much masters deviate."""

    def __init__(self, rng: random.Random, days: float) -> None:
        self.rng = rng
        self.days = days
        self._labour_growth = math.log(rng.uniform(1.005, 1.012)) / 30
        self._part_growth = {d.model: math.log(rng.uniform(0.985, 1.02)) / 30 for d in DEVICES}
        # One jump of exchange rate or supplier in the middle of the past, for parts alone.
        self._jump_age = days * rng.uniform(0.4, 0.7)
        self._jump = math.log(rng.uniform(1.04, 1.12))
        self._regulars: list[tuple[int, Device]] = []
        self._clients = 0

    def labour(self, device: Device, kind: str, age: float) -> float:
        """The usual labour in roubles at that time."""
        base: float = _WORKS[device.device_class][kind][1]
        return base * math.pow(device.level, 0.45) * math.exp(-self._labour_growth * age)

    def part(self, device: Device, kind: str, age: float) -> float:
        """The usual price of the part in roubles at that time, 0 where none is needed."""
        base: float = _WORKS[device.device_class][kind][2]
        jump = -self._jump if age > self._jump_age else 0.0
        return base * device.level * math.exp(-self._part_growth[device.model] * age + jump)

    def repair(self, number: int, opened: datetime, age: float) -> PastRepair:
        """One visit; every twentieth is written down wrongly."""
        client, device = self._visitor()
        kinds = self._kinds(device)
        owner = self._owner(device, kinds)
        labour = sum(_tidy(self.labour(device, kind, age) * self._mood(0.055)) for kind in kinds)
        part = sum(_tidy(self.part(device, kind, age) * self._mood(0.06)) for kind in kinds)
        part = 0 if owner == "client" else part
        if len(kinds) > 1:
            labour = _tidy(labour * 0.85 / _ROUBLE)  # two works at once are cheaper
        status = "done" if self.rng.random() < 0.93 else "refused"
        took = timedelta(hours=min(24 * 14, self.rng.lognormvariate(1.8, 1.1)))
        entry = PastRepair(
            number, client, device.brand, device.model, device.device_class, kinds, owner,
            labour, part, labour + part, status, opened, opened + took,
        )  # fmt: skip
        return self._spoil(entry) if self.rng.random() < WRONG_SHARE else entry

    def price_list(self, now: datetime) -> list[ListedPrice]:
        """Most models of the list, some lines old, some out of stock, a second quality for popular screens."""
        lines: list[ListedPrice] = []
        for device in DEVICES:
            for kind, (_, _, part, name) in _WORKS[device.device_class].items():
                if self.rng.random() < 0.12:
                    continue
                line = self._line(device, kind, name if part else "", now)
                lines.append(line)
                if kind == "screen" and device.weight >= 7 and line.part_price:
                    better = _tidy(line.part_price / _ROUBLE * 1.35)
                    lines.append(replace(line, part_price=better, quality="original", stock=self.rng.randint(0, 2)))
        return lines

    def _line(self, device: Device, kind: str, name: str, now: datetime) -> ListedPrice:
        old = self.rng.random() < 0.1
        age = self.rng.uniform(90, 240) if old else self.rng.uniform(0, 25)
        part = _tidy(self.part(device, kind, age)) if name else None
        stock = self.rng.choice((0, 1, 1, 2, 3, 5)) if name else 0
        label = f"{name} {device.model}" if name else ""
        labour = _tidy(self.labour(device, kind, age))
        return ListedPrice(
            device.brand, device.model, kind, label, part, labour, stock, "copy", now - timedelta(days=age)
        )

    def _visitor(self) -> tuple[int | None, Device]:
        if self._regulars and self.rng.random() < 0.18:
            return self.rng.choice(self._regulars)
        device = self.rng.choices(DEVICES, [d.weight for d in DEVICES])[0]
        if self.rng.random() < 0.25:
            return None, device
        self._clients += 1
        self._regulars.append((self._clients, device))
        return self._clients, device

    def _kinds(self, device: Device) -> tuple[str, ...]:
        works = _WORKS[device.device_class]
        kind = self.rng.choices(list(works), [work[0] for work in works.values()])[0]
        companion = _COMPANIONS.get(kind)
        if companion in works and self.rng.random() < 0.12:
            return (kind, companion) if companion else (kind,)
        return (kind,)

    def _owner(self, device: Device, kinds: Sequence[str]) -> str | None:
        if all(_WORKS[device.device_class][kind][2] == 0 for kind in kinds):
            return None
        return "client" if self.rng.random() < 0.07 else "shop"

    def _mood(self, sigma: float) -> float:
        """Ordinary variation; one in fifteen is a discount, a rush, or a hard case."""
        wide = self.rng.random() < 1 / 15
        return math.exp(self.rng.gauss(0.0, sigma * 3 if wide else sigma))

    def _spoil(self, entry: PastRepair) -> PastRepair:
        """The mistakes people make: a digit too many or too few, zero, a neighbouring model, parts as labour."""
        kind = self.rng.choice(("x10", "tenth", "zero", "model", "swapped"))
        factor = {"x10": 10.0, "tenth": 0.1, "zero": 0.0}.get(kind)
        if factor is not None:
            labour, part = round(entry.labour * factor), round(entry.part * factor)
            return replace(entry, labour=labour, part=part, total=labour + part, wrong=kind)
        if kind == "model":
            other = self.rng.choice([d for d in DEVICES if d.device_class == entry.device_class])
            return replace(entry, brand=other.brand, model=other.model, wrong=kind)
        return replace(entry, labour=entry.part, part=entry.labour, wrong=kind)


def _tidy(roubles: float) -> int:
    """As people write prices: to fifty roubles, in kopecks."""
    return max(1, round(roubles / 50)) * 50 * _ROUBLE if roubles > 0 else 0
