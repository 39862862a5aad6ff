"""One explanation as it is shown: a panel of at most one screen, with a row for each link of the chain."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from battcrm.response.text import plural
from battcrm.services.explain import Decided, Explanation, Learned, Said
from battcrm.services.explain_labels import LANGUAGES, field_name, name_of, rejected_name, value_name

LINES: Final = 24
WIDTH: Final = 100
_LABEL: Final = 11
_FRAME: Final = 5  # two borders, two spaces beside them, one between label and text
_HEARD_LINES: Final = 2
# Which rows give way first when a turn is too long for the screen, and how many lines each keeps.
_GIVE_WAY: Final = (
    ("said", 3), ("suggested", 3), ("rejected", 1), ("heard", 2), ("said", 1), ("evidence", 2), ("facts", 4),
    ("handover", 2), ("heard", 1), ("evidence", 1), ("rejected", 0), ("facts", 2), ("took", 0),
)  # fmt: skip
_TITLES: Final = {
    "heard": ("Пришло", "Arrived"),
    "routing": ("Куда", "Routed"),
    "facts": ("Факты", "Facts"),
    "open": ("Не ясно", "Still open"),
    "evidence": ("Данные", "Evidence"),
    "decision": ("Решение", "Decision"),
    "rejected": ("Отвергнуто", "Turned down"),
    "handover": ("Оператору", "To operator"),
    "said": ("Ответ", "Answer"),
    "suggested": ("Подсказка", "Suggestion"),
    "delivery": ("Доставка", "Delivery"),
    "took": ("Прочее", "Else"),
    "silence": ("(молчание)", "(silence)"),
    "nothing_new": ("ничего нового", "nothing new"),
    "repair": ("ремонт", "repair"),
    "price": ("прайс", "price list"),
    "rouble": ("₽", "RUB"),
    "appeal": ("обращение", "appeal"),
    "median": ("медиана", "median"),
    "model": ("модель", "model"),
    "superseded": ("отменённых попыток", "superseded attempts"),
    "edited": ("изменено", "edited"),
    "button": ("кнопка", "button"),
    "edit": ("правка", "edit"),
}
_COUNTED: Final = {
    "n": (("ремонт", "ремонта", "ремонтов"), ("repair", "repairs")),
    "days": (("день", "дня", "дней"), ("day", "days")),
}


@dataclass(slots=True)
class Row:
    """A link of the chain: its name and its lines as markup, none of them wider than the screen."""

    name: str
    lines: list[str]


def screen(
    found: Explanation, language: str = "ru", *, title: str | None = None, width: int = WIDTH, lines: int | None = LINES
) -> Panel:
    """The panel; texts of people are escaped, times are in the shop's zone.

    At most `lines` high (None: everything is shown) and `width` wide. What does not fit ends in "…": first the answer's
    text, last the reason, which always stays.
    """
    width = min(width, WIDTH)
    rows = list(_rows(found, language, width - _LABEL - _FRAME))
    if lines is not None:
        _fit(rows, lines - 2)
    table = Table(box=None, show_header=False, pad_edge=False, expand=True, padding=(0, 1, 0, 0))
    table.add_column(style="bold", no_wrap=True, width=_LABEL)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    for row in rows:
        for number, line in enumerate(row.lines):
            table.add_row(_t(row.name, language) if number == 0 else "", line)
    state = {"posted": "green", "silent": "yellow"}.get(found.state, "red")
    head = title or f"{escape(found.client or '—')} · {found.channel} · {escape(found.tenant)}"
    subtitle = f"[dim]{found.turn_id}[/] [{state}]{found.state}[/]"
    return Panel(table, title=head, title_align="left", subtitle=subtitle, subtitle_align="right", width=width)


def _fit(rows: list[Row], height: int) -> None:
    """Shorten rows until they are `height` lines together, or nothing more may go."""
    for name, keep in _GIVE_WAY:
        for row in reversed([row for row in rows if row.name == name]):
            excess = sum(len(r.lines) for r in rows) - height
            if excess > 0 and len(row.lines) > keep:
                left = max(keep, len(row.lines) - excess)
                row.lines = [*row.lines[: left - 1], f"{row.lines[left - 1]} [dim]…[/]"] if left else []
    rows[:] = [row for row in rows if row.lines]


def _rows(found: Explanation, language: str, width: int) -> Iterator[Row]:
    zone = ZoneInfo(found.timezone)
    heard = [line for m in found.heard for line in _heard(m, zone, language, width)]
    yield Row("heard", heard or ["—"])
    yield Row("facts", list(_facts(found.learned, language)) or [f"[dim]{_t('nothing_new', language)}[/]"])
    for decided in found.decisions:
        yield from _decision(decided, language, zone)
    for said in found.said:
        yield Row("said", _said(said, width))
    for state in _deliveries(found.said, zone, language):
        yield Row("delivery", [state])
    for text in found.suggested:
        yield Row("suggested", [escape(line) for line in _wrapped(text, width)])
    if not found.said and not found.suggested:
        yield Row("said", [f"[dim]{_t('silence', language)}[/]"])
    yield Row("took", [_took(found, language)])


def _wrapped(text: str, width: int, first: int = 0) -> list[str]:
    """The text's lines without the empty ones; the first is `first` shorter."""
    lines = [line for line in text.splitlines() if line.strip()]
    found: list[str] = []
    for line in lines:
        found += textwrap.wrap(line, width, initial_indent=" " * (first if not found else 0))
    return [found[0][first:], *found[1:]] if found else []


def _heard(message: Any, zone: ZoneInfo, language: str, width: int) -> list[str]:
    marks = [_t(message.kind, language)] if message.kind in ("button", "edit") else []
    marks += [_t("edited", language)] if message.revision else []
    note = f" [dim]({', '.join(marks)})[/]" if marks else ""
    lines = [f"[cyan]{escape(line)}[/]" for line in _wrapped(message.text, width - 9)] or [""]
    lines = [*lines[: _HEARD_LINES - 1], f"{lines[_HEARD_LINES - 1]} …"] if len(lines) > _HEARD_LINES else lines
    return [
        f"[dim]{message.at.astimezone(zone):%H:%M:%S}[/] {lines[0]}{note}",
        *(f"{'':9}{line}" for line in lines[1:]),
    ]


def _facts(facts: Sequence[Learned], language: str) -> Iterator[str]:
    """A line for each fact, brand and model of one device in one."""
    shown: list[tuple[str, str, Learned]] = []
    for fact in facts:
        value = value_name(fact.field, fact.value, language)
        if shown and fact.field == "model" and shown[-1][2].field == "brand" and shown[-1][2].words == fact.words:
            value = f"{shown.pop()[1]} {value}"
        shown.append((field_name(fact.field, language), value, fact))
    wide = max((len(name) for name, _, _ in shown), default=0), max((len(value) for _, value, _ in shown), default=0)
    for name, value, fact in shown:
        words = f"«{escape(fact.words)}» " if fact.words else ""
        source = f"[dim]{name_of('method', fact.method, language)} {escape(fact.source)}[/]"
        yield f"{name:{wide[0]}} [bold]{escape(value)}[/]{'':{wide[1] - len(value)}} {fact.confidence:.0%} {words}{source}"


def _decision(d: Decided, language: str, zone: ZoneInfo) -> Iterator[Row]:
    where = name_of("routing", d.routing.get("action"), language)
    number = f" № {d.appeal} ({value_name('status', d.appeal_status or '', language)})" if d.appeal else ""
    sure = f", {d.routing.get('confidence', 0):.0%}" if d.routing else ""
    yield Row("routing", [f"{where}{number}: {name_of('route', d.routing.get('reason'), language)}[dim]{sure}[/]"])
    if d.open_fields:
        yield Row("open", [", ".join(field_name(f, language) for f in d.open_fields)])
    evidence = [*(_quote(q, language) for q in d.quotes), *_sources(d, language, zone)]
    if d.graph_away:
        evidence.append(f"[yellow]{name_of('rejection', 'graph_unavailable', language)}: {escape(d.graph_away)}[/]")
    if evidence:
        yield Row("evidence", evidence)
    reason = name_of("reason", d.reason, language)
    yield Row(
        "decision", [f"[bold]{name_of('action', d.action, language)}[/]: {reason} [dim]({d.action}/{d.reason})[/]"]
    )
    if d.rejected:
        yield Row("rejected", [f"[dim]{escape(line)}[/]" for line in _turned_down(d.rejected, language)])
    notes = [escape(d.handover[k]) for k in ("wants", "known", "missing") if d.handover.get(k)]
    if notes:
        yield Row("handover", notes)


def _turned_down(rejected: Sequence[tuple[str, str]], language: str) -> list[str]:
    """A line for each reason, with all that fell to it."""
    names = [rejected_name(*r, language).rpartition(": ") for r in rejected]
    by_reason = groupby(sorted(names, key=lambda name: name[2]), key=lambda name: name[2])
    lines = [f"{_listed([what for what, _, _ in group])}: {reason}" for reason, group in by_reason]
    return [" · ".join(lines)] if sum(map(len, lines)) < WIDTH - _LABEL - _FRAME - 3 * len(lines) else lines


def _listed(names: Sequence[str]) -> str:
    """Names in a row; what begins like the one before says only how it differs: ask «model», «brand»."""
    verbs = [name.partition("«")[0] for name in names]
    told = [name.removeprefix(verbs[i]) if i and verbs[i] == verbs[i - 1] else name for i, name in enumerate(names)]
    return ", ".join(told)


def _quote(quote: dict[str, Any], language: str) -> str:
    what = f"{value_name('repair_types', quote['repair_type'], language)}, {escape(quote['device'])}"
    if quote.get("refusal"):
        return f"{what}: [yellow]{name_of('rejection', quote['refusal'], language)}[/]"
    low, high = _money(quote["low"], language), _money(quote["high"], language)
    span = high if low == high else f"{low.rpartition(' ')[0]}–{high}"
    place = LANGUAGES.index(language)
    counted = (f"{quote[key]} {plural(quote[key], language, *forms[place])}" for key, forms in _COUNTED.items())
    basis = " / ".join(counted) if quote["n"] else ""
    median = f"{_t('median', language)} {_money(quote['median'], language)}" if quote["n"] else _t("price", language)
    return f"{what}: [bold]{span}[/] [dim]{', '.join(p for p in (median, basis) if p)}[/]"


def _sources(d: Decided, language: str, zone: ZoneInfo) -> Iterator[str]:
    """The newest rows behind the prices, a name once for its kind."""
    shown = sorted(d.evidence, key=lambda e: e.kind != "price")
    parts = []
    for kind, group in groupby(shown, key=lambda e: e.kind):
        rows = [f"{_date(e.at, zone)} {_money(e.amount, language)}" for e in group]
        parts.append(f"{_t(kind, language)} {', '.join(rows[:3])}{'…' if len(rows) > 3 else ''}")
    if parts:
        yield f"[dim]{'; '.join(parts)}[/]"


def _said(said: Said, width: int) -> list[str]:
    lines = [f"[green]{escape(line)}[/]" for line in _wrapped(said.text, width)]
    buttons = " ".join(f"[reverse] {escape(title)} [/]" for title in said.buttons)
    return [*lines, buttons] if buttons else lines


def _deliveries(said: Iterable[Said], zone: ZoneInfo, language: str) -> list[str]:
    """How the replies arrived, in one line where that is the same of all of them."""
    states = [_delivery(one, zone, language) for one in said]
    return states if len({state.partition(" [dim]")[0] for state in states}) > 1 else states[:1]


def _delivery(said: Said, zone: ZoneInfo, language: str) -> str:
    text = name_of("state", said.state, language)
    if said.finished_at:
        took = (said.finished_at - said.created_at).total_seconds() * 1000
        text += f" {said.finished_at.astimezone(zone):%H:%M:%S} [dim](+{took:.0f} ms, id {escape(said.external_id or '—')})[/]"
    return text + (f" [red]{escape(said.error)}[/]" if said.error else "")


def _took(found: Explanation, language: str) -> str:
    parts = [f"{name.removesuffix('_ms')} {value:.0f} ms" for name, value in sorted(found.timings.items())]
    calls = [f"{_t('model', language)} {c['model']} {c['outcome']} {c['latency_ms']} ms" for c in found.model_calls]
    cost = f"{found.cost_microrub / 1e6:.2f} {_t('rouble', language)}"
    again = [f"{_t('superseded', language)}: {found.superseded}"] if found.superseded else []
    versions = found.decisions[-1].versions if found.decisions else {}
    named = [f"{k} {v}" for k, v in versions.items() if v not in (None, "")]
    return f"[dim]{escape(' · '.join([*parts, *calls, cost, *again, *named]))}[/]"


def _money(kopecks: int, language: str) -> str:
    return f"{round(kopecks / 100):,}".replace(",", " ") + f" {_t('rouble', language)}"


def _date(at: datetime | None, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%d.%m.%y}" if at else ""


def _t(name: str, language: str) -> str:
    pair = _TITLES.get(name)
    return pair[LANGUAGES.index(language)] if pair else name
