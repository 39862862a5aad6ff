"""What people read exists in every language."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from tools.checks.source import Finding, Source

LANGUAGES: Final = ("ru", "en")


def every_language(source: Source) -> Iterator[Finding]:
    """A table with one language has the others, and each has the same keys, at every depth."""
    for node in source.nodes:
        if isinstance(node, ast.Dict):
            yield from _compare(source, node)


def _compare(source: Source, table: ast.Dict) -> Iterator[Finding]:
    entries = _entries(table)
    if not any(language in entries for language in LANGUAGES) or not set(entries) <= set(LANGUAGES):
        return
    missing = [language for language in LANGUAGES if language not in entries]
    if missing:
        yield source.finding(table, "language", f"no texts for {', '.join(missing)}")
        return
    keys = {language: _keys(entries[language]) for language in LANGUAGES}
    for key in sorted(keys["ru"] ^ keys["en"]):
        lacking = "en" if key in keys["ru"] else "ru"
        yield source.finding(entries[lacking], "language", f"{key!r} has no text for {lacking}")


def _entries(table: ast.Dict) -> dict[str, ast.expr]:
    return {str(k.value): v for k, v in zip(table.keys, table.values, strict=True) if isinstance(k, ast.Constant)}


def _keys(value: ast.expr) -> set[str]:
    if isinstance(value, ast.Dict):
        return set(_entries(value))
    if isinstance(value, ast.List | ast.Tuple):
        return {f"item {number}" for number in range(len(value.elts))}
    return set()
