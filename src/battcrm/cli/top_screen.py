"""The screen of `battcrm top`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from battcrm.services.top import Screen

# Seconds after which what waits is late, and very late.
_LATE, _VERY_LATE = 5.0, 60.0
_ROUBLE: Final = 1_000_000


def draw(screen: Screen) -> RenderableType:
    """Everything on one screen."""
    small = Columns((_flows(screen), _queues(screen), _errors(screen)), padding=(0, 2))
    parts: list[RenderableType] = [_head(screen), small]
    if screen.processes:
        parts.append(_processes(screen))
    if screen.silent:
        parts.append(Text(f"no answer from {', '.join(screen.silent)}", style="yellow"))
    if screen.tenants:
        parts.append(_tenants(screen))
    return Group(*parts)


def _head(screen: Screen) -> Text:
    spent = screen.spent_today_microrub / _ROUBLE
    return Text.assemble(
        ("BattCRM", "bold"),
        f"  {screen.at:%Y-%m-%d %H:%M:%S} UTC  over {screen.seconds:.1f} s  models today {spent:.2f} ₽",
    )


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, title_style="bold cyan")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    return table


def _flows(screen: Screen) -> Table:
    table = _table("flows", "", "/s")
    for name, rate in screen.flows.items():
        table.add_row(name, f"{rate:.1f}")
    return table


def _queues(screen: Screen) -> Table:
    table = _table("queues", "", "rows", "oldest")
    for queue in screen.queues:
        table.add_row(queue.queue, str(queue.rows), _age(queue.oldest_s))
    return table


def _errors(screen: Screen) -> Table:
    table = _table("errors", "", "open")
    table.add_row("unknown sends", _bad(screen.unknown))
    for source, count in screen.dead.items():
        table.add_row(f"dead: {source}", _bad(count))
    if not screen.dead:
        table.add_row("dead letters", "0")
    return table


def _processes(screen: Screen) -> Table:
    table = _table("processes", "", "CPU %", "MB", "loop ms", "does /s", "p95 ms", "oldest")
    for process in screen.processes:
        name = urlsplit(process.address).netloc
        stalled = f" {process.stalled} stalled" if process.stalled else ""
        table.add_row(
            Text.assemble(name, (stalled, "bold red")),
            f"{process.cpu_percent:.0f}",
            f"{process.rss_mb:.0f}",
            f"{process.loop_lag_ms:.0f}",
            _listed(process.rates),
            _listed(process.p95_ms),
            _age(max(process.queue_age_s.values(), default=0.0)),
        )
    return table


def _tenants(screen: Screen) -> Table:
    table = _table("tenants, last minute", "", "received", "sent", "waiting", "models ₽ today")
    for tenant in screen.tenants:
        spent = f"{tenant.spent_microrub / _ROUBLE:.2f}"
        table.add_row(tenant.slug, str(tenant.received), str(tenant.sent), str(tenant.waiting), spent)
    return table


def _listed(values: Mapping[str, float]) -> str:
    return " ".join(_pairs(values.items())) or "-"


def _pairs(items: Iterable[tuple[str, float]]) -> Iterable[str]:
    for name, value in items:
        yield f"{name} {value:.0f}" if value >= 10 else f"{name} {value:.1f}"


def _age(seconds: float) -> Text:
    style = "bold red" if seconds > _VERY_LATE else "yellow" if seconds > _LATE else ""
    return Text(f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s", style=style)


def _bad(count: int) -> Text:
    return Text(str(count), style="bold red" if count else "")
