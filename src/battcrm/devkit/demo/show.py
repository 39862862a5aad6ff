"""The demonstration on the terminal: each dialogue as a card."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from battcrm.devkit.demo.play import Played, Result
from battcrm.devkit.demo.script import Step
from battcrm.devkit.demo.world import World
from battcrm.services.explain import Decided, Explanation
from battcrm.services.explain_labels import field_name, name_of, value_name

_CHANNEL: Final = {"telegram": "Telegram", "webchat": "чат на сайте"}
_PRICED: Final = "quote_with_evidence"
_OPERATOR: Final = {"return": "возвращает диалог боту", "done": "закрывает обращение: готово"}


def show_result(console: Console, number: int, result: Result) -> None:
    """One dialogue."""
    table = Table(box=None, show_header=False, pad_edge=False, expand=True)
    table.add_column(style="dim", no_wrap=True, width=10)
    table.add_column(ratio=1, overflow="fold")
    for place, played in enumerate(result.played):
        if place:
            table.add_row("", "")
        for name, content in _step(result, played):
            table.add_row(name, content)
    mark = "[bold green]✓[/]" if result.right else "[bold red]✗[/]"
    where = _CHANNEL[result.dialogue.channel]
    title = f"{mark} [bold]{number}. {escape(result.dialogue.title)}[/] [dim]{where}[/]"
    console.print(Panel(table, title=title, title_align="left", border_style="green" if result.right else "red"))


def _step(result: Result, played: Played) -> Iterator[tuple[str, RenderableType]]:
    yield from _act(result, played.step)
    for turn in played.turns:
        facts = _facts(turn)
        if facts is not None:
            yield "факты", facts
        for decided in turn.decisions:
            yield "решение", _decision(decided)
    for reply in played.replies:
        yield _author(played), _reply(reply.text, reply.buttons, played)
    if played.turns and played.replies:
        yield "", Text(f"через {played.seconds:.1f} с, вместе с ожиданием конца фразы", style="dim")
    if not played.replies and not played.step.operator:
        yield "ответ", Text("— молчание —", style="dim italic")
    for wrong in played.wrong:
        yield "✗", Text(wrong, style="red")


def _author(played: Played) -> str:
    return "оператор" if played.step.operator == "reply" else "ответ"


def _act(result: Result, step: Step) -> Iterator[tuple[str, RenderableType]]:
    who = result.dialogue.client
    for text in step.say:
        yield who, Text(text, style="cyan")
    if step.twice is not None:
        yield who, Text.assemble((step.twice, "cyan"), ("  (доставлено дважды)", "dim"))
    if step.edit is not None:
        yield who, Text.assemble((step.edit, "cyan"), ("  (исправил сообщение)", "dim"))
    if step.press is not None:
        yield who, Text.assemble((f" {step.press} ", "reverse cyan"), ("  (нажата кнопка)", "dim"))
    if step.operator in _OPERATOR:
        yield "оператор", Text(_OPERATOR[step.operator], style="magenta")


def _facts(turn: Explanation) -> RenderableType | None:
    lines = []
    for fact in turn.learned:
        words = f" «{escape(fact.words)}»" if fact.words else ""
        method = name_of("method", fact.method, "ru")
        value = escape(value_name(fact.field, fact.value, "ru"))
        lines.append(f"{field_name(fact.field, 'ru')} = [bold]{value}[/] [dim]{fact.confidence:.0%} {method}{words}[/]")
    return Text.from_markup("\n".join(lines)) if lines else None


def _decision(decided: Decided) -> RenderableType:
    number = f"№ {decided.appeal}, " if decided.appeal else ""
    route = name_of("route", decided.routing.get("reason"), "ru")
    head = f"[yellow]{name_of('action', decided.action, 'ru')}[/]: {name_of('reason', decided.reason, 'ru')}"
    priced = [q for q in decided.quotes if not q.get("refusal")] if decided.reason == _PRICED else []
    lines = [f"{head} [dim]({number}{route})[/]", *(_quote(q) for q in priced)]
    return Group(*(Text.from_markup(line) for line in lines))


def _quote(quote: dict[str, Any]) -> str:
    basis = f"{quote['n']} ремонтов за {quote['days']} дн." if quote["n"] else "по прайсу"
    return f"[dim]основание: {basis}, источников {len(quote['evidence'])}[/]"


def _reply(text: str, buttons: tuple[str, ...], played: Played) -> RenderableType:
    parts: list[RenderableType] = [Text(text, style="magenta" if played.step.operator == "reply" else "green")]
    if buttons:
        parts.append(Text("  ").join(Text(f" {title} ", style="reverse") for title in buttons))
    return Group(*parts)


def show_end(console: Console, results: list[Result], first_answer: float, ready: float) -> None:
    """The sum of it."""
    right = sum(result.right for result in results)
    colour = "green" if right == len(results) else "red"
    times = f"система готова через {ready:.1f} с, первый ответ — через {first_answer:.1f} с после запуска"
    console.print(f"[bold {colour}]{right} из {len(results)} диалогов прошли как ожидалось[/] · {times}")


def show_addresses(console: Console, world: World) -> None:
    """Where to go on by oneself."""
    rows = [("Чат на сайте", world.chat_url)]
    rows.append(("Состояние", f"{world.gateway_url}/healthz"))
    rows.append(("Метрики", f"{world.gateway_url}/metrics"))
    if world.shop.real_bot is not None:
        rows.append(("Telegram", "ваш бот отвечает (long polling)"))
    if world.runtime.settings.openai_api_key is not None:
        rows.append(("Модель", world.runtime.settings.openai_model))
    rows.append(("Оператор", "battcrm operator list --tenant lesnaya"))
    rows.append(("Почему так", "battcrm explain НОМЕР --tenant lesnaya"))
    console.print("\n[bold]Попробуйте сами (Ctrl-C — выход)[/]")
    for name, value in rows:  # no frame around them: an address is to be clicked, or copied whole
        console.print(f"  {name:<14}{value}", soft_wrap=True, highlight=False)
