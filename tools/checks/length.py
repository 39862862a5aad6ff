"""Files and functions that one can take in at a glance."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from tools.checks.source import Finding, Source

MAX_FILE: Final = 400
MAX_FUNCTION: Final = 40


def short_enough(source: Source) -> Iterator[Finding]:
    """At most 400 lines a file and 40 a function, docstring included; a table of test cases above it is data."""
    if len(source.lines) > MAX_FILE:
        yield Finding(source.path, 1, "length", f"{len(source.lines)} lines; a file has at most {MAX_FILE}")
    for node in source.nodes:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or _is_script(source.path, node.name):
            continue
        first = node.lineno
        lines = (node.end_lineno or node.lineno) - first + 1
        if lines > MAX_FUNCTION:
            yield source.finding(node, "length", f"{node.name} has {lines} lines; a function at most {MAX_FUNCTION}")


def _is_script(path: str, function: str) -> bool:
    """A migration is a list of steps that Alembic wrote: splitting it would hide their order."""
    return path.startswith("migrations/versions/") and function in {"upgrade", "downgrade"}
