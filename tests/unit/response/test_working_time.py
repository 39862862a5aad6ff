"""Working time: what waits for people waits while they are there."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from battcrm.response.hours import Hours, after_working

WEEK = Hours(week={d: ("10:00-14:00", "15:00-20:00") for d in ("mon", "tue", "wed", "thu", "fri")})
ZONE = "Europe/Moscow"


def _at(day: int, hour: int, minute: int = 0) -> datetime:
    """2 March 2026 is a Monday; given in Moscow time."""
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC) - timedelta(hours=3)


@pytest.mark.parametrize(
    ("since", "hours", "expected"),
    [
        (_at(2, 11), 1, _at(2, 12)),
        (_at(2, 13), 2, _at(2, 16)),
        (_at(2, 23), 1, _at(3, 11)),
        (_at(2, 9), 9, _at(2, 20)),
        (_at(6, 19), 2, _at(9, 11)),
        (_at(2, 14), 0.5, _at(2, 15, 30)),
    ],
)
def test_closed_hours_do_not_count(since: datetime, hours: float, expected: datetime) -> None:
    assert after_working(WEEK, since, timedelta(hours=hours), ZONE) == expected


def test_holidays_and_short_days_count_as_they_are() -> None:
    hours = Hours(week=WEEK.week, holidays=frozenset({date(2026, 3, 3)}), special={date(2026, 3, 4): ("12:00-13:00",)})
    assert after_working(hours, _at(2, 19), timedelta(hours=3), ZONE) == _at(5, 11)


def test_without_known_hours_time_is_time() -> None:
    assert after_working(Hours(), _at(2, 23), timedelta(hours=4), ZONE) == _at(3, 3)


def test_a_shop_that_never_opens_is_not_waited_for_for_ever() -> None:
    hours = Hours(special={date(2020, 1, 1): ("10:00-11:00",)})
    assert after_working(hours, _at(2, 12), timedelta(hours=1), ZONE) == _at(2, 12) + timedelta(days=30, hours=1)


def test_round_the_clock_days_join_at_midnight() -> None:
    hours = Hours(week={d: ("0:00-24:00",) for d in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")})
    assert after_working(hours, _at(2, 22), timedelta(hours=5), ZONE) == _at(3, 3)
