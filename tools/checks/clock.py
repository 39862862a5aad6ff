"""Time is aware, comes from the injected Clock, and is waited for without blocking."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from tools.checks.source import Finding, Source, dotted

# The one place that may ask the machine for the time.
_CLOCK: Final = "src/battcrm/kit/clock.py"
# Where the positional timezone of each constructor stands, counted from 0.
_ZONE_AT: Final = {"now": 0, "fromtimestamp": 1, "datetime": 7}
_ALWAYS_NAIVE: Final = frozenset({"utcnow", "utcfromtimestamp", "today"})
_SQL_CLOCK: Final = re.compile(
    r"\bnow\(\)|\bcurrent_(timestamp|date|time)\b|\blocaltime(stamp)?\b|\b(transaction|statement|clock)_timestamp\b",
    re.IGNORECASE,
)
# A naive time at a border, with the reason on its line.
_ARGUED: Final = re.compile(r"# noqa: DTZ\d+ - \w+")
# Reading the server's clock to anchor ours to it (PROTOCOL G).
_FOLLOWS_SERVER: Final = frozenset({"src/battcrm/infra/postgres.py"})


def aware(source: Source) -> Iterator[Finding]:
    """No datetime without a timezone, and none that a function makes naive whatever it is given."""
    for node in source.nodes:
        if not isinstance(node, ast.Call) or _ARGUED.search(source.lines[node.lineno - 1]):
            continue
        base, _, name = dotted(node.func).rpartition(".")
        if base.rpartition(".")[2] in {"datetime", "date"} and name in _ALWAYS_NAIVE:
            yield source.finding(node, "naive-time", f"{name}() knows no timezone")
        elif _makes_datetime(base, name) and not _has_zone(node, name):
            yield source.finding(node, "naive-time", f"{name}(...) without a timezone")


def _makes_datetime(base: str, name: str) -> bool:
    if name == "datetime":
        return base in {"", "datetime"}
    return base.rpartition(".")[2] == "datetime" and name in _ZONE_AT


def _has_zone(call: ast.Call, name: str) -> bool:
    words = {keyword.arg: keyword.value for keyword in call.keywords}
    if None in words or any(isinstance(argument, ast.Starred) for argument in call.args):
        return True  # unpacked arguments: mypy and ruff see more than we do
    zone = words.get("tz", words.get("tzinfo"))
    if zone is None and len(call.args) > _ZONE_AT[name]:
        zone = call.args[_ZONE_AT[name]]
    return zone is not None and not (isinstance(zone, ast.Constant) and zone.value is None)


def injected(source: Source) -> Iterator[Finding]:
    """The product asks the Clock it was given, never the machine."""
    if source.path == _CLOCK:
        return
    for node in source.nodes:
        if isinstance(node, ast.Call) and dotted(node.func).endswith("datetime.now") and (node.args or node.keywords):
            yield source.finding(node, "clock", "take the time from the injected Clock")


def no_blocking_sleep(source: Source) -> Iterator[Finding]:
    """`time.sleep` stops the whole loop."""
    names = {"time.sleep"}
    for node in source.nodes:
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            names |= {alias.asname or alias.name for alias in node.names if alias.name == "sleep"}
        if isinstance(node, ast.Call) and dotted(node.func) in names:
            yield source.finding(node, "sleep", "time.sleep blocks the event loop; wait for a condition")


def no_server_time(source: Source) -> Iterator[Finding]:
    """SQL takes the time as an argument, so that tests can move it."""
    if source.path in _FOLLOWS_SERVER:
        return
    for constant in source.strings():
        found = _SQL_CLOCK.search(str(constant.value))
        if found:
            yield source.finding(constant, "sql-time", f"{found[0]} in SQL; pass the Clock's time")
    for node in source.nodes:
        if isinstance(node, ast.Call) and dotted(node.func) in {"func.now", "func.current_timestamp"}:
            yield source.finding(node, "sql-time", "func.now() in SQL; pass the Clock's time")
