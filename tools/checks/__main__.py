"""`python -m tools.checks [FILE...]`: every rule over the repository's files; exit 1 when something was found."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tools.checks import borders, clock, flow, languages, length, queries
from tools.checks.source import Finding, Rule, Source

ROOT: Final = Path(__file__).parents[2]
FOLDERS: Final = ("src", "tests", "tools", "migrations")

EVERYWHERE: Final[tuple[Rule, ...]] = (length.short_enough, clock.aware, flow.owned_tasks)
PRODUCT: Final[tuple[Rule, ...]] = (
    clock.injected,
    clock.no_blocking_sleep,
    clock.no_server_time,
    flow.reasoned_handlers,
    flow.no_assert,
    borders.foreign_libraries,
    languages.every_language,
    queries.tenant_named,
    queries.constant_queries,
)
# Migrations work on the schema of all tenants, with names that no parameter can carry.
SCHEMA: Final[tuple[Rule, ...]] = (clock.no_server_time,)


def rules_for(path: str) -> tuple[Rule, ...]:
    """The rules that hold for a file of this repository."""
    if path.startswith("src/"):
        return EVERYWHERE + PRODUCT
    return EVERYWHERE + SCHEMA if path.startswith("migrations/") else EVERYWHERE


def check(path: str, code: str) -> list[Finding]:
    """Everything wrong in one file."""
    source = Source.of(path, code)
    return sorted({finding for rule in rules_for(path) for finding in rule(source)})


def files() -> Iterator[Path]:
    """Every Python file of the checked folders."""
    for folder in FOLDERS:
        yield from sorted((ROOT / folder).rglob("*.py"))


def main(arguments: Sequence[str]) -> int:
    """Print what was found; 1 when there was anything."""
    chosen = [Path(argument).resolve() for argument in arguments] or list(files())
    found = [f for path in chosen for f in check(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))]
    for finding in found:
        sys.stdout.write(f"{finding}\n")
    if found:
        sys.stdout.write(f"{len(found)} found in {len(chosen)} files\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
