"""When people are there to answer: the shop's week, holidays and short days."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from battcrm.response.text import zone

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)-([01]?\d|2[0-4]):([0-5]\d)")
_HORIZON_DAYS: Final = 30
_DAY_MINUTES: Final = 24 * 60


def minutes_of(span: str) -> tuple[int, int]:
    """Start and end of "10:00-20:00" in minutes of the day. Raises ValueError if it is not such a span."""
    match = _SPAN.fullmatch(span.strip())
    if match is None:
        raise ValueError(f"expected HH:MM-HH:MM, got {span!r}")
    a, b, c, d = (int(g) for g in match.groups())
    start, end = a * 60 + b, c * 60 + d
    if not start < end <= _DAY_MINUTES:
        raise ValueError(f"the end must be after the start and within the day: {span!r}")
    return start, end


def _checked(span: str) -> str:
    minutes_of(span)
    return span


def _weekday(name: str) -> str:
    if name not in WEEKDAYS:
        raise ValueError(f"use one of {', '.join(WEEKDAYS)}")
    return name


Span = Annotated[str, AfterValidator(_checked)]
Weekday = Annotated[str, AfterValidator(_weekday)]


class Hours(BaseModel):
    """The week by day (`mon`..`sun`), lists of "HH:MM-HH:MM" in the tenant's zone. An empty week = hours unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    week: dict[Weekday, tuple[Span, ...]] = Field(default_factory=dict)
    holidays: frozenset[date] = frozenset()
    special: dict[date, tuple[Span, ...]] = Field(default_factory=dict)
    answer_minutes: int | None = Field(default=None, ge=1, le=1440)

    @property
    def known(self) -> bool:
        """Whether the shop has said when it works."""
        return bool(self.week or self.special)

    def spans(self, day: date) -> list[tuple[int, int]]:
        """Open spans of a calendar day, sorted, in minutes."""
        if day in self.special:
            return sorted(minutes_of(s) for s in self.special[day])
        if day in self.holidays:
            return []
        return sorted(minutes_of(s) for s in self.week.get(WEEKDAYS[day.weekday()], ()))


@dataclass(frozen=True, slots=True)
class Presence:
    """Is somebody there? `known` is False when the tenant gave no hours: then no time is promised."""

    known: bool
    open: bool
    opens_at: datetime | None


def presence(hours: Hours, now: datetime, timezone: str) -> Presence:
    """Whether the shop is open at `now` and, if not, when it opens next (None if not within 30 days)."""
    if not hours.known:
        return Presence(False, False, None)
    local = now.astimezone(zone(timezone))
    minute = local.hour * 60 + local.minute
    for ahead in range(_HORIZON_DAYS + 1):
        day = local.date() + timedelta(days=ahead)
        for start, end in hours.spans(day):
            if ahead == 0 and start <= minute < end:
                return Presence(True, True, None)
            if ahead > 0 or start > minute:
                opening = datetime.combine(day, time(start // 60, start % 60), zone(timezone))
                return Presence(True, False, opening)
    return Presence(True, False, None)


def after_working(hours: Hours, since: datetime, span: timedelta, timezone: str) -> datetime:
    """The moment (UTC) when `span` of working time has passed since `since`; plain time where no hours are known.

    A shop that does not open within 30 days is taken to work around the clock from then on.
    """
    if not hours.known:
        return since + span
    local, left = since.astimezone(zone(timezone)), span
    for ahead in range(_HORIZON_DAYS + 1):
        day = local.date() + timedelta(days=ahead)
        for start, end in hours.spans(day):
            opens = _moment(day, start, timezone)
            begins, ends = max(opens, since), _moment(day, end, timezone)
            if ends <= begins:
                continue
            if ends - begins >= left:
                return (begins + left).astimezone(UTC)
            left -= ends - begins
    return since + timedelta(days=_HORIZON_DAYS) + left


def _moment(day: date, minutes: int, timezone: str) -> datetime:
    """Minutes of a local day as UTC; 24:00 is the next midnight."""
    days, rest = divmod(minutes, _DAY_MINUTES)
    local = datetime.combine(day + timedelta(days=days), time(rest // 60, rest % 60), zone(timezone))
    return local.astimezone(UTC)


def exceptions(hours: Hours, now: datetime, timezone: str, days: int = 14) -> list[tuple[datetime, str]]:
    """The coming days that are not as their weekday says, with their spans; a closed day has empty ones."""
    today = now.astimezone(zone(timezone)).replace(hour=12, minute=0, second=0, microsecond=0)
    coming = (today + timedelta(days=ahead) for ahead in range(days))
    usual = {day: sorted(minutes_of(s) for s in spans) for day, spans in hours.week.items()}
    return [
        (day, _spoken(hours.special.get(day.date(), ())))
        for day in coming
        if hours.spans(day.date()) != usual.get(WEEKDAYS[day.weekday()], [])
    ]


def _spoken(spans: Iterable[str]) -> str:
    return ", ".join(s.replace("-", "–") for s in spans)


def week_lines(hours: Hours) -> list[tuple[str, str, str]]:
    """The week folded into (first day, last day, spans) groups, for a text; a closed day has empty spans."""
    groups: list[tuple[str, str, str]] = []
    for day in WEEKDAYS:
        spans = _spoken(hours.week.get(day, ()))
        if groups and groups[-1][2] == spans:
            groups[-1] = (groups[-1][0], day, spans)
        else:
            groups.append((day, day, spans))
    return groups
