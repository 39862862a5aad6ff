"""Every SQL constant of the code base is accepted by the real server with the real schema."""

from __future__ import annotations

import importlib
import pkgutil
import re

import asyncpg

import battcrm

_STATEMENT = re.compile(r"^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\s", re.IGNORECASE)
# Templates of the due mechanism are completed per table (infra/due.py) and prepared in their completed form below.
_PARTS = frozenset({"_PICKED", "_SHAPE"})
_TEMPLATES = frozenset({"battcrm.infra.due"})
# What a statement reads of others that are sent together with it.
TOGETHER = {
    "earlier": "SELECT NULL::uuid AS tenant_id, NULL::uuid AS outgoing_id, 1::bigint AS token, NULL::uuid AS dialog_id, "
    "1::bigint AS seq, ''::text AS state, NULL::uuid AS message_id",
    "moved": "SELECT NULL::uuid AS tenant_id, NULL::uuid AS dialog_id, NULL::uuid AS identity_id, "
    "NULL::timestamptz AS due_at",
    "worded": "SELECT NULL::uuid AS message_id",
    "gone": "SELECT NULL::uuid AS identity_id",
    "queued": "SELECT NULL::uuid AS outgoing_id, NULL::timestamptz AS lease_until",
}


def alone(sql: str) -> str:
    """A statement with stand-ins for the parts that it reads."""
    read = {name for name in TOGETHER if re.search(rf"(FROM|JOIN) {name}\b", sql) and f"{name} AS (" not in sql}
    needed = [f"{name} AS MATERIALIZED ({TOGETHER[name]})" for name in TOGETHER if name in read]
    if not needed:
        return sql
    head, rest = ", ".join(needed), sql.lstrip()
    return f"WITH {head}, {rest.removeprefix('WITH ')}" if rest.startswith("WITH ") else f"WITH {head} {rest}"


def _statements() -> dict[str, str]:
    found = {}
    for module_info in pkgutil.walk_packages(battcrm.__path__, "battcrm."):
        name = module_info.name
        if name.startswith("battcrm.devkit.emulators") or name.endswith("__main__") or name in _TEMPLATES:
            continue
        module = importlib.import_module(name)
        for attribute, value in vars(module).items():
            if (
                attribute not in _PARTS
                and isinstance(value, str)
                and _STATEMENT.match(value)
                and re.search(r"\b(FROM|INTO|SET)\b", value)
            ):
                found[f"{name}.{attribute}"] = value
    return found


def _due_statements() -> dict[str, str]:
    from battcrm.infra import due

    tables = [due.CLIENT_WORK, due.DUE_WORK, due.INTENTS, due.OUTGOING]
    templates = ["_CLAIM", "_EXTEND", "_DONE", "_RETRY"]
    return {f"{t.name}{name}": t.sql(getattr(due, name)) for t in tables for name in templates}


async def test_every_statement_prepares(pg_url: str) -> None:
    connection = await asyncpg.connect(pg_url)
    refused = {}
    try:
        statements = _statements() | _due_statements()
        for name, sql in statements.items():
            try:
                await connection.prepare(alone(sql))
            except asyncpg.PostgresError as error:
                refused[name] = str(error)
    finally:
        await connection.close()
    assert refused == {}
    assert len(statements) > 60
