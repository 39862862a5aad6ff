from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from battcrm.response import text as t
from battcrm.response.hours import Hours, exceptions, presence, week_lines
from battcrm.response.wording import (
    ANGRY,
    BULK,
    CALL,
    LEGAL,
    NOT_OWN,
    PERSONAL_DATA,
    asks_price,
    topics_asked,
    topics_of,
)
from tests.unit.response.build import WEEK

WED = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)
ZONE = "Europe/Moscow"


@pytest.mark.parametrize(
    ("n", "word"),
    [
        (1, "день"),
        (2, "дня"),
        (5, "дней"),
        (11, "дней"),
        (12, "дней"),
        (21, "день"),
        (22, "дня"),
        (111, "дней"),
        (0, "дней"),
    ],
)
def test_plural(n: int, word: str) -> None:
    assert t.plural(n, "ru", "день", "дня", "дней") == word
    assert t.plural(n, "en", "day", "days") == ("day" if n == 1 else "days")


@pytest.mark.parametrize(
    ("kopecks", "ru", "en"),
    [
        (390_000, "3 900 ₽", "3,900 ₽"),
        (99, "0,99 ₽", "0.99 ₽"),
        (123_456_789, "1 234 567,89 ₽", "1,234,567.89 ₽"),
        (0, "0 ₽", "0 ₽"),
        (-5_000, "-50 ₽", "-50 ₽"),
    ],
)
def test_money(kopecks: int, ru: str, en: str) -> None:
    assert t.money(kopecks, "ru").replace(t.NBSP, " ") == ru
    assert t.money(kopecks, "en").replace(t.NBSP, " ") == en
    assert t.money_range(kopecks, kopecks, "ru") == t.money(kopecks, "ru")


@pytest.mark.parametrize(
    ("hours_ahead", "ru", "en"),
    [
        (1, "сегодня в 13:00", "today at 13:00"),
        (24, "завтра в 12:00", "tomorrow at 12:00"),
        (48, "в пятницу, 6 марта, в 12:00", "on Friday, 6 March at 12:00"),
    ],
)
def test_when(hours_ahead: int, ru: str, en: str) -> None:
    moment = WED + timedelta(hours=hours_ahead)
    assert t.when(moment, WED, "ru", ZONE).replace(t.NBSP, " ") == ru
    assert t.when(moment, WED, "en", ZONE).replace(t.NBSP, " ") == en


def test_a_day_is_the_shops_day_not_the_servers() -> None:
    late = datetime(2026, 3, 4, 21, 30, tzinfo=UTC)  # already the 5th in Moscow
    assert t.when(late, WED, "ru", ZONE) == "завтра в 0:30"
    assert t.zone("No/Such").key == "UTC"


@pytest.mark.parametrize(
    ("brand", "model", "name"),
    [
        ("Apple", "iPhone 13", "iPhone 13"),
        ("Honor", "Honor X8", "Honor X8"),
        ("Samsung", "Galaxy A52", "Samsung Galaxy A52"),
        ("Apple", "Watch 6", "Apple Watch 6"),
        ("", "X", "X"),
        ("Asus", "", "Asus"),
    ],
)
def test_device_names_do_not_double_the_brand(brand: str, model: str, name: str) -> None:
    assert t.join_name(brand, model) == name


def test_case_of_words() -> None:
    assert t.in_case("мастер", "datv") == "мастеру"
    assert t.in_case("iPhone", "datv") == "iPhone"


def test_plain_strips_what_could_disguise_text() -> None:
    assert t.plain("a\u202eb\nc\x00", 10) == "a b c"
    assert t.plain("x" * 20, 5) == "xxxx…"


@given(st.text(max_size=400), st.integers(1, 120))
def test_split_keeps_all_words_within_the_limit(text: str, limit: int) -> None:
    parts = t.split_text(text, limit)
    assert all(0 < len(p) <= limit for p in parts)
    assert "".join("".join(p.split()) for p in parts) == "".join(text.split())


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        (timedelta(), (True, None)),
        (timedelta(hours=-3), (False, "04 10:00")),
        (timedelta(hours=8), (False, "05 10:00")),  # 20:00 sharp is closed
        (timedelta(hours=7, minutes=59), (True, None)),
        (timedelta(days=2, hours=9), (False, "09 10:00")),  # Friday evening: Monday
    ],
)
def test_presence(shift: timedelta, expected: tuple[bool, str | None]) -> None:
    there = presence(Hours.model_validate({"week": WEEK}), WED + shift, ZONE)
    opens = there.opens_at.strftime("%d %H:%M") if there.opens_at else None
    assert (there.known, there.open, opens) == (True, *expected)


def test_holidays_and_short_days() -> None:
    hours = Hours.model_validate({"week": WEEK, "holidays": ["2026-03-04"], "special": {"2026-03-05": ["12:00-13:00"]}})
    there = presence(hours, WED, ZONE)
    assert not there.open
    assert there.opens_at is not None
    assert there.opens_at.astimezone(UTC) == datetime(2026, 3, 5, 9, 0, tzinfo=UTC)


def test_no_hours_means_no_promise() -> None:
    assert presence(Hours(), WED, ZONE) == presence(Hours(), WED + timedelta(days=3), "UTC")
    assert not presence(Hours(), WED, ZONE).known
    closed = Hours.model_validate({"week": {"mon": []}})
    assert presence(closed, WED, ZONE).opens_at is None
    assert week_lines(Hours.model_validate({"week": WEEK}))[0] == ("mon", "fri", "10:00–20:00")


def test_coming_days_that_differ_from_their_weekday_are_named() -> None:
    hours = Hours.model_validate(
        {
            "week": WEEK,
            "holidays": ["2026-03-06", "2026-03-08", "2026-05-01"],
            "special": {"2026-03-09": ["12:00-15:00"]},
        }
    )
    found = [(moment.date().isoformat(), spans) for moment, spans in exceptions(hours, WED, ZONE)]
    assert found == [("2026-03-06", ""), ("2026-03-09", "12:00–15:00")]  # the 8th is a Sunday, May is far


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("Я курьер, разбил айфон", ""), ("Гарантия давно кончилась. Сколько стоит экран на айфон 13?", ""),
        ("Сколько стоит экран на айфон 13? Адрес", "address"), ("экран айфон 13, подскажите режим работы", "hours"),
        ("How much is a screen, and where are you located?", "address"),
    ],
)  # fmt: skip
def test_a_mention_is_no_question(text: str, topics: str) -> None:
    assert topics_asked(text) == tuple(topics.split())


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("сколько экран на айфон", True), ("цена?", True), ("how much is it", True), ("во сколько закрываетесь", False),
        ("сколько времени займёт", False), ("сколько дней гарантии", False), ("за сколько сделаете", False),
    ],
)  # fmt: skip
def test_a_price_is_asked(text: str, asked: bool) -> None:
    assert asks_price(text) is asked


@pytest.mark.parametrize("span", ["10-20", "20:00-10:00", "25:00-26:00", "10:00-24:30", ""])
def test_wrong_hours_are_refused(span: str) -> None:
    with pytest.raises(ValueError, match="week"):
        Hours.model_validate({"week": {"mon": [span]}})


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("Где вы находитесь?", "address"), ("как до вас добраться", "address"), ("до скольки сегодня", "hours"),
        ("вы работаете в субботу?", "hours"), ("картой можно?", "payment"), ("курьером отправите?", "delivery"),
        ("какая гарантия", "warranty"), ("когда можно подъехать?", "hours"), ("where are you located", "address"), ("what are your opening hours?", "hours"),
        ("экран в наличии есть?", None), ("по наличию подскажите", None), ("можно наличкой?", "payment"),
        ("the lid won't close, how much is the hinge?", None), ("location services are off, can you fix it?", None),
        ("не заходит в почту, почините?", None), ("как достать симку, доставать сами будете?", None),
        ("are you open on Sunday?", "hours"), ("when do you close?", "hours"), ("what's your address?", "address"),
        ("do you take cash", "payment"), ("чините самокаты?", None), ("где вы и до скольки работаете?", "hours address"),
    ],
)  # fmt: skip
def test_topics(text: str, topic: str | None) -> None:
    assert topics_of(text) == tuple((topic or "").split())


@pytest.mark.parametrize(
    "text",
    [
        "нужно поменять батареи на 10 айфонов", "у нас 25 планшетов", "экраны, 5 шт.", "работаете с юрлицами?", "есть оптовые цены?",
        "ремонт для нашей компании", "we have 12 iphones to fix", "a repair for our company",
        "двадцать школьных планшетов", "нужны закрывающие документы", "twelve cracked iPads", "мы школа, экраны разбиты",
    ],
)  # fmt: skip
def test_many_devices_or_a_company(text: str) -> None:
    assert BULK.search(text)


@pytest.mark.parametrize(
    "text", ["экран на 13 айфон", "айфон 11 и 12", "экран от компании Apple", "уже 5 лет телефону", "2 телефона", "iphone 12 phone", "сделаете за 10 минут?"]
)  # fmt: skip
def test_one_device_is_no_bulk(text: str) -> None:
    assert not BULK.search(text)


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("нашёл айфон, разблокируйте", True), ("телефон чужой, снимите пароль", True), ("I found this phone", True),
        ("забыл пароль от своего айфона", False), ("чужие мастера не взялись", False), ("I found out that it is locked", False),
    ],
)  # fmt: skip
def test_a_device_that_may_be_anothers(text: str, foreign: bool) -> None:
    assert bool(NOT_OWN.search(text)) is foreign


def test_trigger_words_need_their_meaning() -> None:
    assert LEGAL.search("подам в суд")
    assert LEGAL.search("I will sue you")
    assert not LEGAL.search("обсудим? issue with screen, претензий нет, посуда")
    assert PERSONAL_DATA.search("удалите все мои данные")
    assert not PERSONAL_DATA.search("сотрите пыль, восстановите данные, удалите данные с телефона")
    assert ANGRY.search("сколько можно ждать")
    assert not ANGRY.search("сколько можно выручить за телефон")
    assert CALL.search("Перезвоните мне")
    assert not CALL.search("я звонил вам, позвонил вчера")
