"""One explanation as it is shown: a panel with a line for each link of the chain."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from battcrm.services.explain import Decided, Explanation, Learned, Said
from battcrm.services.explain_labels import LANGUAGES, field_name, name_of, rejected_name, value_name

_SOURCE_CHARS: Final = 48
_TITLES: Final = {
    "heard": ("Пришло", "Arrived"),
    "routing": ("Куда", "Routed"),
    "facts": ("Факты", "Facts"),
    "open": ("Не ясно", "Still open"),
    "evidence": ("Данные", "Evidence"),
    "decision": ("Решение", "Decision"),
    "rejected": ("Отвергнуто", "Turned down"),
    "handover": ("Оператору", "To the operator"),
    "said": ("Ответ", "Answer"),
    "suggested": ("Подсказка", "Suggestion"),
    "delivery": ("Доставка", "Delivery"),
    "took": ("Время", "Time"),
    "versions": ("Версии", "Versions"),
    "silence": ("(молчание)", "(silence)"),
    "nothing_new": ("ничего нового", "nothing new"),
    "repair": ("ремонт", "repair"),
    "price": ("прайс", "price list"),
    "cost": ("стоимость", "cost"),
    "rouble": ("₽", "RUB"),
    "appeal": ("обращение", "appeal"),
    "median": ("медиана", "median"),
    "repairs": ("ремонтов", "repairs"),
    "days": ("дней", "days"),
    "model": ("модель", "model"),
    "superseded": ("отменённых попыток", "superseded attempts"),
    "edited": ("изменено", "edited"),
    "button": ("кнопка", "button"),
    "edit": ("правка", "edit"),
}


def screen(found: Explanation, language: str = "ru", *, title: str | None = None) -> Panel:
    """The panel; texts of people are escaped, times are in the shop's zone."""
    table = Table(box=None, show_header=False, pad_edge=False, expand=True)
    table.add_column(style="bold", no_wrap=True, width=12)
    table.add_column(ratio=1, overflow="fold")
    for name, content in _rows(found, language):
        table.add_row(_t(name, language), content)
    state = {"posted": "green", "silent": "yellow"}.get(found.state, "red")
    head = title or f"{escape(found.client or '—')} · {found.channel} · {escape(found.tenant)}"
    subtitle = f"[dim]{found.turn_id}[/] [{state}]{found.state}[/]"
    return Panel(table, title=head, title_align="left", subtitle=subtitle, subtitle_align="right")


def _rows(found: Explanation, language: str) -> Iterator[tuple[str, RenderableType]]:
    zone = ZoneInfo(found.timezone)
    yield "heard", "\n".join(_heard(m, zone, language) for m in found.heard) or "—"
    learned = [_fact(f, language) for f in found.learned]
    yield "facts", Group(_fact_table(found.learned, language)) if learned else f"[dim]{_t('nothing_new', language)}[/]"
    for decided in found.decisions:
        yield from _decision(decided, language, zone)
    for said in found.said:
        yield "said", _said(said)
        yield "delivery", _delivery(said, zone, language)
    for text in found.suggested:
        yield "suggested", escape(text)
    if not found.said and not found.suggested:
        yield "said", f"[dim]{_t('silence', language)}[/]"
    yield "took", _took(found, language)
    yield "versions", f"[dim]{_versions(found)}[/]"


def _heard(message: Any, zone: ZoneInfo, language: str) -> str:
    marks = [_t(message.kind, language)] if message.kind in ("button", "edit") else []
    marks += [_t("edited", language)] if message.revision else []
    note = f" [dim]({', '.join(marks)})[/]" if marks else ""
    return f"[dim]{message.at.astimezone(zone):%H:%M:%S}[/] [cyan]{escape(message.text)}[/]{note}"


def _fact_table(facts: tuple[Learned, ...], language: str) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for fact in facts:
        table.add_row(*_fact(fact, language))
    return table


def _fact(fact: Learned, language: str) -> tuple[str, str, str, str]:
    words = f"«{escape(fact.words)}»" if fact.words else ""
    value = f"[bold]{escape(value_name(fact.field, fact.value, language))}[/]"
    source = fact.source if len(fact.source) <= _SOURCE_CHARS else fact.source[:_SOURCE_CHARS] + "…"
    method = f"[dim]{name_of('method', fact.method, language)} {escape(source)}[/]"
    return field_name(fact.field, language), value, f"{fact.confidence:.0%}", f"{words} {method}".strip()


def _decision(d: Decided, language: str, zone: ZoneInfo) -> Iterator[tuple[str, RenderableType]]:
    where = name_of("routing", d.routing.get("action"), language)
    number = f" № {d.appeal} ({value_name('status', d.appeal_status or '', language)})" if d.appeal else ""
    sure = f", {d.routing.get('confidence', 0):.0%}" if d.routing else ""
    yield "routing", f"{where}{number}: {name_of('route', d.routing.get('reason'), language)}[dim]{sure}[/]"
    if d.open_fields:
        yield "open", ", ".join(field_name(f, language) for f in d.open_fields)
    evidence = [*(_quote(q, language) for q in d.quotes), *_sources(d, language, zone)]
    if d.graph_away:
        evidence.append(f"[yellow]{name_of('rejection', 'graph_unavailable', language)}: {escape(d.graph_away)}[/]")
    if evidence:
        yield "evidence", "\n".join(evidence)
    reason = name_of("reason", d.reason, language)
    yield "decision", f"[bold]{name_of('action', d.action, language)}[/]: {reason} [dim]({d.action}/{d.reason})[/]"
    if d.rejected:
        yield "rejected", "[dim]" + escape("; ".join(rejected_name(*r, language) for r in d.rejected)) + "[/]"
    if d.handover:
        parts = [d.handover[k] for k in ("wants", "known", "missing") if d.handover.get(k)]
        yield "handover", escape(" · ".join(parts))


def _quote(quote: dict[str, Any], language: str) -> str:
    what = f"{value_name('repair_types', quote['repair_type'], language)}, {escape(quote['device'])}"
    if quote.get("refusal"):
        return f"{what}: [yellow]{name_of('rejection', quote['refusal'], language)}[/]"
    low, high = _money(quote["low"], language), _money(quote["high"], language)
    basis = f"{quote['n']} {_t('repairs', language)}, {quote['days']} {_t('days', language)}" if quote["n"] else ""
    median = f"{_t('median', language)} {_money(quote['median'], language)}" if quote["n"] else _t("price", language)
    return f"{what}: [bold]{low} – {high}[/] [dim]{', '.join(p for p in (median, basis) if p)}[/]"


def _sources(d: Decided, language: str, zone: ZoneInfo) -> Iterator[str]:
    shown = [
        f"{_t(e.kind, language)} {_date(e.at, zone)} {_money(e.amount, language)}"
        for e in sorted(d.evidence, key=lambda e: e.kind != "price")
    ]
    if shown:
        yield f"[dim]{'; '.join(shown[:5])}{'…' if len(shown) > 5 else ''}[/]"


def _said(said: Said) -> str:
    buttons = " ".join(f"[reverse] {escape(title)} [/]" for title in said.buttons)
    return f"[green]{escape(said.text)}[/]" + (f"\n{buttons}" if buttons else "")


def _delivery(said: Said, zone: ZoneInfo, language: str) -> str:
    text = name_of("state", said.state, language)
    if said.finished_at:
        took = (said.finished_at - said.created_at).total_seconds() * 1000
        text += f" {said.finished_at.astimezone(zone):%H:%M:%S} [dim](+{took:.0f} ms, id {escape(said.external_id or '—')})[/]"
    return text + (f" [red]{escape(said.error)}[/]" if said.error else "")


def _took(found: Explanation, language: str) -> str:
    parts = [f"{name.removesuffix('_ms')} {value:.0f} ms" for name, value in sorted(found.timings.items())]
    calls = [f"{_t('model', language)} {c['model']} {c['outcome']} {c['latency_ms']} ms" for c in found.model_calls]
    cost = f"{_t('cost', language)} {found.cost_microrub / 1e6:.2f} {_t('rouble', language)}"
    again = [f"{_t('superseded', language)}: {found.superseded}"] if found.superseded else []
    return f"[dim]{escape(' · '.join([*parts, *calls, cost, *again]))}[/]"


def _versions(found: Explanation) -> str:
    versions = found.decisions[-1].versions if found.decisions else {}
    return escape(" · ".join(f"{k} {v}" for k, v in versions.items() if v not in (None, "")))


def _money(kopecks: int, language: str) -> str:
    return f"{round(kopecks / 100):,}".replace(",", " ") + f" {_t('rouble', language)}"


def _date(at: datetime | None, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%d.%m.%y}" if at else ""


def _t(name: str, language: str) -> str:
    pair = _TITLES.get(name)
    return pair[LANGUAGES.index(language)] if pair else name
