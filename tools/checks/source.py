"""One Python file as the rules see it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

Parent = ast.AST


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """What is wrong where. `line` counts from 1."""

    path: str
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.text}"


@dataclass(frozen=True)
class Source:
    """A parsed file. `path` is relative to the repository, with slashes."""

    path: str
    code: str
    tree: ast.Module = field(compare=False)

    @classmethod
    def of(cls, path: str, code: str) -> Source:
        """Parse `code`. Raises SyntaxError."""
        return cls(path, code, ast.parse(code, path))

    @cached_property
    def lines(self) -> list[str]:
        """The file's lines without their ends."""
        return self.code.splitlines()

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node, in no order that means anything."""
        return list(ast.walk(self.tree))

    @cached_property
    def parents(self) -> dict[ast.AST, Parent]:
        """The node that holds a node."""
        return {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    @cached_property
    def remarks(self) -> set[ast.AST]:
        """String constants that stand alone: docstrings."""
        return {n.value for n in self.nodes if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)}

    def strings(self) -> Iterator[ast.Constant]:
        """String constants that are values: no docstrings."""
        for node in self.nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in self.remarks:
                yield node

    def finding(self, node: ast.AST, rule: str, text: str) -> Finding:
        """A finding at a node."""
        return Finding(self.path, getattr(node, "lineno", 1), rule, text)


Rule = Callable[[Source], Iterator[Finding]]


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a name or attribute chain, else an empty text."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""
