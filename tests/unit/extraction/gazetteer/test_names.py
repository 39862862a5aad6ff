"""Texts with one device each: what must be read, class by class."""

from __future__ import annotations

import pytest

from tests.unit.extraction.gazetteer.support import devices, facts

PHONES = """
поменять стекло айфон 15 плюс | Apple | iPhone 15 Plus
на айфоне икс полосы | Apple | iPhone X
тринадцатый айфон, сел динамик | Apple | iPhone 13
13 про айфон не включается | Apple | iPhone 13 Pro
айфон 6 с экран разбит | Apple | iPhone 6S
айфон 12 с разбитым экраном | Apple | iPhone 12
айфон 11 с царапиной на стекле | Apple | iPhone 11
айфонхр стекло | Apple | iPhone XR
iphone13promax акб | Apple | iPhone 13 Pro Max
айфон 14 про мах | Apple | iPhone 14 Pro Max
айфон 11пм | Apple | iPhone 11 Pro Max
айфон се 2 | Apple | iPhone SE (2020)
СЕ 2020 не заряжается | Apple | iPhone SE (2020)
айфон 17 про макс | Apple | iPhone 17 Pro Max
iphone air треснул | Apple | iPhone Air
яблоко 12 | Apple | iPhone 12
айфон 13 год назад купил | Apple | iPhone 13
айфон 11-й глючит | Apple | iPhone 11
галакси а 54 5g греется | Samsung | Galaxy A54 5G
самсунг галакси самсунг а12 | Samsung | Galaxy A12
самсунг с21 | Samsung | Galaxy S21
самсунг с двадцать третий | Samsung | Galaxy S23
самсунгА12 стекло | Samsung | Galaxy A12
z флип 4 шлейф | Samsung | Galaxy Z Flip4
зфлип 5 | Samsung | Galaxy Z Flip5
самсунг галакси ноут 20 ультра | Samsung | Galaxy Note 20 Ultra
самсунг а5 2017 | Samsung | Galaxy A5 (2017)
samsung s20 fe 5g | Samsung | Galaxy S20 FE 5G
самсунг гранд прайм | Samsung | Galaxy Grand Prime
redmi note 12 pro+ экран | Xiaomi | Redmi Note 12 Pro+
редми нот 12 про + | Xiaomi | Redmi Note 12 Pro+
редми ноут 10 про сколько экран | Xiaomi | Redmi Note 10 Pro
ксяоми редми ноут 9с | Xiaomi | Redmi Note 9S
редми 9с экран | Xiaomi | Redmi 9C
редмиnote9 | Xiaomi | Redmi Note 9
xiaomi note 8 pro | Xiaomi | Redmi Note 8 Pro
сяоми 14 ультра | Xiaomi | Xiaomi 14 Ultra
ми 9т про | Xiaomi | Mi 9T Pro
поко ф3 | Xiaomi | POCO F3
поко м4 про 5 g | Xiaomi | POCO M4 Pro 5G
хонор х8 не включается | Honor | Honor X8
хонор 90 лайт после воды | Honor | Honor 90 Lite
онор 9х лайт | Honor | Honor 9X Lite
хуавей п30 лайт | Huawei | Huawei P30 Lite
п смарт 2019 | Huawei | Huawei P smart (2019)
мейт 20 лайт | Huawei | Huawei Mate 20 Lite
реалми с55 | Realme | Realme C55
реалми нарзо 50 про | Realme | Realme Narzo 50 Pro
техно спарк 20 про плюс | Tecno | Spark 20 Pro+
инфиникс хот 40i | Infinix | Hot 40i
инфиникс ноут 30 про | Infinix | Infinix Note 30 Pro
оппо а5 2020 | OPPO | OPPO A5 (2020)
виво у21 | Vivo | Vivo Y21
ванплас 9 про | OnePlus | OnePlus 9 Pro
пиксель 6а | Google | Pixel 6a
нокиа 3310 | Nokia | Nokia 3310
сони иксперия 10 | Sony | Xperia 10
мото г 84 | Motorola | Moto G84
асус зенфон 8 | ASUS | Zenfone 8
aifon 13 razbil ekran | Apple | iPhone 13
fqajy 13 | Apple | iPhone 13
зщсщ ч3 зкщ | Xiaomi | POCO X3 Pro
ｉｐｈｏｎｅ １３ | Apple | iPhone 13
айфооон 12 | Apple | iPhone 12
айфн 11 батарея | Apple | iPhone 11
samsng a51 | Samsung | Galaxy A51
ксяоми редми 9а | Xiaomi | Redmi 9A
"""
OTHERS = """
планшет самсунг а7 не заряжается | Samsung | Galaxy Tab A7
таб а8 не включается | Samsung | Galaxy Tab A8
айпад 7 поколения | Apple | iPad 7
айпад про 11 2021 экран | Apple | iPad Pro 11 (2021)
айпад про 12,9 2020 батарея | Apple | iPad Pro 12.9 (2020)
макбук эйр м1 залит | Apple | MacBook Air M1
macbook air стоит в сервисе, клавиатура | Apple | MacBook Air
макбук про 16 2019 клавиатура | Apple | MacBook Pro 16 (2019)
продать хочу мак про 14 м1 | Apple | MacBook Pro 14 M1
эпл вотч 7 45мм | Apple | Watch Series 7
часы самсунг вотч 4 | Samsung | Galaxy Watch4
ми бэнд 6 | Xiaomi | Mi Band 6
аирподсы про 2 не заряжается | Apple | AirPods Pro 2
сони wh-1000xm4 | Sony | WH-1000XM4
плойка 5 не включается | Sony | PlayStation 5
ps4 pro шумит | Sony | PlayStation 4 Pro
свитч олед дрейф стика | Nintendo | Switch OLED
иксбокс ван s | Microsoft | Xbox One S
steam deck не заряжается | Valve | Steam Deck
самокат сяоми м365 про | Xiaomi | M365 Pro
самокат xiaomi 1s прокол | Xiaomi | 1S
самокат сяоми 4 про | Xiaomi | 4 Pro
самокат найнбот ф40 спустило колесо | Ninebot | F40
найнбот макс g30p | Ninebot | Max G30P
куго м4 про колесо | Kugoo | M4 Pro
роборок s7 maxv ultra | Roborock | S7 MaxV Ultra
дайсон v11 не включается | Dyson | V11
Ноут леново легион 5 не включается | Lenovo | Legion 5
ноут леново ideapad 320 греется | Lenovo | IdeaPad 320
thinkpad x1 carbon gen 9 | Lenovo | ThinkPad X1 Carbon Gen 9
acer nitro 5 an515-55 чистка | Acer | Nitro 5 AN515-55
ноутбук asus x515ea не включается | ASUS | X515EA
hp 15s-eq1xxx залили | HP | 15s-eq1xxx
msi gf63 | MSI | GF63
хуавей мейтбук д15 | Huawei | MateBook D15
телевизор samsung ue43tu7097u полоса | Samsung | UE43TU7097U
шуруповерт макита df333d | Makita | DF333D
bosch gbh 2-26 | Bosch | GBH 2-26
принтер canon g3411 | Canon | G3411
"""
CODES = """
SM-A525F/DS разбит экран | Samsung | Galaxy A52
Модель: Samsung Galaxy A32 (SM-A325F) | Samsung | Galaxy A32
a2633 стекло | Apple | iPhone 13
макбук а1466 батарея | Apple | MacBook Air 13
macbook air a2337 | Apple | MacBook Air M1
redmi M2101K6G | Xiaomi | Redmi Note 10 Pro
2201117TG дисплей | Xiaomi | Redmi Note 11
RMX3085 акб | Realme | Realme 8
"""
BARE = """
оригинал дисплей ставите? S23 | Samsung | Galaxy S23
куплю батарею на 13 про макс | Apple | iPhone 13 Pro Max
12 mini не заряжается | Apple | iPhone 12 mini
у меня xr | Apple | iPhone XR
14 плюс | Apple | iPhone 14 Plus
а52 стекло | Samsung | Galaxy A52
на а 51 экран | Samsung | Galaxy A51
x3 pro | Xiaomi | POCO X3 Pro
нова 5т | Huawei | Huawei nova 5T
"""


def _rows(table: str) -> list[tuple[str, ...]]:
    return [tuple(cell.strip() for cell in line.split("|")) for line in table.strip().splitlines()]


def _plain(name: str | None) -> str:
    return (name or "").casefold().replace(" ", "")


@pytest.mark.parametrize(("text", "brand", "model"), _rows(PHONES) + _rows(OTHERS) + _rows(CODES) + _rows(BARE))
def test_reads_one_device(text: str, brand: str, model: str) -> None:
    assert [(b, _plain(m)) for b, m in facts(text)] == [(brand, _plain(model))]


@pytest.mark.parametrize(
    ("text", "brand"),
    [
        ("Телефон не ловит вайфай, самсунг", "Samsung"),
        ("редми ноут", "Xiaomi"),
        ("самсунг с разбитым экраном", "Samsung"),
        ("айфон за 12 000 рублей почините", "Apple"),
        ("айфон 2 года пользуюсь", "Apple"),
        ("принесу в 12 айфон", "Apple"),
        ("телевизор LG 55", "LG"),
    ],
)
def test_a_maker_without_a_model(text: str, brand: str) -> None:
    assert facts(text) == [(brand, None)]


@pytest.mark.parametrize(
    "text",
    [
        "samsung a52 ultra", "redmi 10 pro", "самсунг а32х", "iphone 13 zoomster экран", "айфон 7 s plus xl",
        "galaxy s21 feплюс", "айфон 8 + стекло", "honor 50 промаакс", "самсунг а5 2019 года",
    ],
)  # fmt: skip
def test_an_unknown_modifier_asks_instead_of_dropping_it(text: str) -> None:
    (found,) = devices(text)
    assert found.brand is not None
    assert found.model is None
    assert found.open


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("поменять акб на 12 про", {"iPhone 12 Pro", "Xiaomi 12 Pro"}),
        ("13 про", {"iPhone 13 Pro", "Xiaomi 13 Pro"}),
        ("note 10 pro", {"Redmi Note 10 Pro", "Infinix Note 10 Pro"}),
        ("9с экран", {"Redmi 9C", "Honor 9C"}),
        ("12", {"iPhone 12", "Redmi 12"}),
        ("десятка не включается", {"iPhone X", "Redmi 10"}),
        ("xiaomi 9", {"Redmi 9", "Mi 9"}),
    ],
)
def test_ambiguous_names_are_candidates_never_facts(text: str, first: set[str]) -> None:
    (found,) = devices(text)
    assert found.model is None
    assert first <= {item.model for item in found.candidates}
    scores = [item.score for item in found.candidates]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    "text",
    [
        "заказ 88-12 готов?", "наберите меня 8 900 000 00 00", "добрый вечер", "стекло защитное на него есть?",
        "сколько дней гарантии даёте", "вчера забрал, а динамик опять хрипит", "сыну 11 лет", "буду в 12",
        "до 18:00 работаете?", "заплатил 5 тыс", "батарея 85%", "дом 13 корпус 2", "код 4321", "как дела?",
        "отдам за 12 000", "2 штуки", "12.05 сдавал", "про 7 дней гарантии расскажите", "в пятницу 13", "8 марта работаете?",
        "мне 13", "через 5 минут буду", "ул Ленина 12", "номер заказа 1234", "+7 900 123-45-67", "128 гб", "☺", "",
    ],
)  # fmt: skip
def test_numbers_that_are_not_models(text: str) -> None:
    assert facts(text) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Ремонтируете ноутбуки?", "laptop"), ("чините самокаты", "scooter"), ("планшет разбит", "tablet"),
        ("телевизор без изображения", "tv"), ("ноут не включается", "laptop"),
    ],
)  # fmt: skip
def test_a_kind_of_device_alone(text: str, kind: str) -> None:
    (found,) = devices(text)
    assert (found.brand, found.model, found.device_class) == (None, None, kind)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("леново легион 5 лет", [("Lenovo", "Legion")]),
        ("Ноут HP Pavilion тупит", [("HP", "Pavilion")]),
        ("асус рог греется", [("ASUS", None)]),
    ],
)
def test_a_laptop_line_alone_is_a_model(text: str, found: list[tuple[str, str | None]]) -> None:
    assert facts(text) == found


@pytest.mark.parametrize("text", ["айфон 12 или 13, не помню", "самсунг а 30 или 50, точно не знаю"])
def test_a_client_who_wavers_has_named_no_model(text: str) -> None:
    (mention,) = devices(text)
    assert mention.model is None
    assert mention.open
    assert len(mention.candidates) == 2


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("техно камон 30 премьер", "Camon 30 Premier"),
        ("macbook pro 2015 13 дюймов", "MacBook Pro 13 (2015)"),
        ("айпад про 13 дюймов м4", "iPad Pro 13 M4"),
        ("ми 11 лайт не видит вайфай", "Mi 11 Lite"),
        ("айфон х с проблемной платой", "iPhone X"),
        ("планшет самсунг т225 разбит", "Galaxy Tab A7 Lite"),
        ("SM-A346E дисплей", "Galaxy A34"),
        ("телефон doogee s96", "S96"),
        ("ван плюс 7", "OnePlus 7"),
    ],
)
def test_ways_of_speaking(text: str, model: str) -> None:
    assert [name for _, name in facts(text)] == [model]
