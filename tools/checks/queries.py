"""Query texts are constants, and each says whose rows it touches."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Final

from tools.checks.source import Finding, Source, dotted

_SQL: Final = re.compile(
    r"^\s*(?:SELECT\s|INSERT\s+INTO\s|UPDATE\s+[\w\"{]|DELETE\s+FROM\s|WITH\s+(?:RECURSIVE\s+)?\w+\s*(?:\(|AS)|TRUNCATE\s|"
    r"MERGE\s+INTO\s|COPY\s+\w+|(?:CREATE|ALTER|DROP)\s+(?:TABLE|INDEX|POLICY|ROLE|DATABASE|SCHEMA|UNIQUE)|GRANT\s|"
    r"REVOKE\s|SET\s+LOCAL\s)"
)
_ROWS: Final = re.compile(r"^\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|TRUNCATE|MERGE|COPY)\s")
_CYPHER: Final = re.compile(
    r"^\s*(?:(?:OPTIONAL\s+)?MATCH\s*\(|MERGE\s*\(|UNWIND\s+\$|CREATE\s*\(|CREATE\s+(?:CONSTRAINT|INDEX)\s|MATCH\s+\w+\s*=)"
)
# Cypher that shapes the database and touches no rows.
_CYPHER_SCHEMA: Final = re.compile(r"^\s*CREATE\s+(?:CONSTRAINT|INDEX)\s")
_OWNED: Final = re.compile(r"\btenant_id\b|\bbucket\b")
_ALL_TENANTS: Final = re.compile(r"/\*\s*all tenants:\s*\S[^*]*\*/")
_CALLS: Final = frozenset(
    {"execute", "executemany", "fetch", "fetchrow", "fetchval", "prepare", "cursor", "exec_driver_sql", "execute_query"}
)
_LITERAL: Final = re.compile(r"'[^']*'")
_TABLE: Final = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE|TRUNCATE)\s+([\w.]+)")

# Where texts are put together all the same, and why that is sound.
BUILT: Final[Mapping[str, str]] = {
    "src/battcrm/infra/due.py": "one mechanism for several tables: their names are constants of the module",
    "src/battcrm/infra/partitions.py": "DDL takes no parameters; names and borders are computed here, never given",
    "src/battcrm/infra/migrate.py": "DDL takes no parameters; role names are constants and passwords are quoted by the server",
}


def tenant_named(source: Source) -> Iterator[Finding]:
    """Each text names its tenant or bucket, or says in a comment why it is about all of them."""
    for node in source.strings():
        text = str(node.value)
        if isinstance(source.parents[node], ast.JoinedStr):
            continue  # a piece of a text that `constant_queries` refuses as a whole
        if not is_query(text) or _OWNED.search(text) or _ALL_TENANTS.search(text):
            continue
        if _reads_rows(text) or (_CYPHER.match(text) and not _CYPHER_SCHEMA.match(text)):
            yield source.finding(
                node, "tenant", "the query names no tenant_id or bucket; or add /* all tenants: why */"
            )


def _reads_rows(sql: str) -> bool:
    """Does it touch a table of ours? The server's own catalogue knows no tenants."""
    return bool(_ROWS.match(sql)) and not all(name.startswith("pg_") for name in _TABLE.findall(_LITERAL.sub("", sql)))


def constant_queries(source: Source) -> Iterator[Finding]:
    """No query text is put together at run time."""
    if source.path in BUILT:
        return
    names = _query_names(source)
    for node in source.nodes:
        how = _built(node, source, names)
        if how:
            yield source.finding(node, "built-query", f"the query is put together by {how}; use parameters")


def is_query(text: str) -> bool:
    """Does the text begin like SQL or Cypher?"""
    return bool(_SQL.match(text) or _CYPHER.match(text))


def _query_names(source: Source) -> set[str]:
    """Constants of this file that hold queries."""
    found = set()
    for node in source.nodes:
        if (
            not isinstance(node, ast.Assign | ast.AnnAssign)
            or node.value is None
            or not _holds_query(node.value, set())
        ):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def _built(node: ast.AST, source: Source, names: set[str]) -> str:
    if isinstance(node, ast.JoinedStr) and node not in source.remarks:
        return "an f-string" if _is_built_fstring(node) else ""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod) and _holds_query(node.left, names):
        if isinstance(node.op, ast.Add) and _is_fixed(node, names):
            return ""
        return "+" if isinstance(node.op, ast.Add) else "%"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        method = node.func.attr
        if method in {"format", "replace", "format_map"} and _holds_query(node.func.value, names):
            return f".{method}()"
        if method == "join" and any(_holds_query(part, names) for part in _parts(node)):
            return ".join()"
        if method in _CALLS and node.args:
            return _built_argument(node.args[0])
    return ""


def _is_built_fstring(node: ast.JoinedStr) -> bool:
    text = "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values)
    return is_query(text) and any(isinstance(p, ast.FormattedValue) for p in node.values)


def _holds_query(node: ast.expr, names: set[str]) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and is_query(node.value)
    if isinstance(node, ast.BinOp):
        return _holds_query(node.left, names)
    return dotted(node).rpartition(".")[2] in names


def _is_fixed(node: ast.expr, names: set[str]) -> bool:
    """Constants of this file, one after another: the text is the same in every run."""
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Add) and _is_fixed(node.left, names) and _is_fixed(node.right, names)
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id in names)


def _parts(call: ast.Call) -> list[ast.expr]:
    return [part for a in call.args for part in (a.elts if isinstance(a, ast.List | ast.Tuple) else [a])]


def _built_argument(argument: ast.expr) -> str:
    """How the text handed to a driver is made on the spot."""
    if isinstance(argument, ast.JoinedStr) and any(isinstance(p, ast.FormattedValue) for p in argument.values):
        return "an f-string"
    if isinstance(argument, ast.BinOp) and isinstance(argument.op, ast.Add | ast.Mod):
        return "+ or %"
    if isinstance(argument, ast.Call) and isinstance(argument.func, ast.Attribute):
        return f".{argument.func.attr}()" if argument.func.attr in {"format", "join", "replace"} else ""
    return ""
