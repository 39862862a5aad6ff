"""Tasks have owners, broad handlers have reasons, and nothing depends on `assert`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from tools.checks.source import Finding, Source, dotted

_STARTERS: Final = frozenset({"create_task", "ensure_future"})
_BROAD: Final = frozenset({"Exception", "BaseException"})
_REASON: Final = re.compile(r"#\s*(?:noqa(?::\s*[A-Z0-9, ]+)?)?[\s-]*(?P<why>.*)")


def owned_tasks(source: Source) -> Iterator[Finding]:
    """A task whose handle is thrown away may vanish in the middle; a TaskGroup keeps its own."""
    groups = set(_task_groups(source))
    for node in source.nodes:
        call = _dropped(node)
        if call is None or not isinstance(call.func, ast.Attribute | ast.Name):
            continue
        owner, _, name = ast.unparse(call.func).rpartition(".")
        if name in _STARTERS and owner not in groups:
            yield source.finding(node, "task", f"the handle of {name} is dropped; use a TaskGroup or keep it")


def _dropped(node: ast.AST) -> ast.Call | None:
    """The call whose result a statement throws away."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return node.value
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
        ignored = all(isinstance(t, ast.Name) and t.id == "_" for t in node.targets)
        return node.value if ignored else None
    return None


def _task_groups(source: Source) -> Iterator[str]:
    """Names that hold a TaskGroup, as they are written in this file."""
    for node in source.nodes:
        if isinstance(node, ast.withitem) and node.optional_vars is not None and _mentions_group(node.context_expr):
            yield ast.unparse(node.optional_vars)
        elif isinstance(node, ast.arg) and node.annotation is not None and _mentions_group(node.annotation):
            yield node.arg
        elif isinstance(node, ast.AnnAssign) and _mentions_group(node.annotation):
            yield ast.unparse(node.target)
        elif isinstance(node, ast.Assign) and _mentions_group(node.value):
            yield from (ast.unparse(target) for target in node.targets)


def _mentions_group(node: ast.AST) -> bool:
    return any(dotted(part).rpartition(".")[2] == "TaskGroup" for part in ast.walk(node))


def reasoned_handlers(source: Source) -> Iterator[Finding]:
    """`except Exception` says in a comment on its line why it may catch everything, unless it only tidies up and raises."""
    for node in source.nodes:
        if not isinstance(node, ast.ExceptHandler) or not _is_broad(node.type) or _passes_on(node):
            continue
        comment = _REASON.search(source.lines[node.lineno - 1])
        if comment is None or len(comment["why"].split()) < 2:
            yield source.finding(node, "except", "say on this line why everything may be caught")


def _passes_on(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def _is_broad(kind: ast.expr | None) -> bool:
    if kind is None:
        return True
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(dotted(k) in _BROAD for k in kinds)


def no_assert(source: Source) -> Iterator[Finding]:
    """`python -O` removes asserts: the product raises."""
    for node in source.nodes:
        if isinstance(node, ast.Assert):
            yield source.finding(node, "assert", "raise an error of kit.errors instead")
