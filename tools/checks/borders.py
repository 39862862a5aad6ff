"""Which file may know which foreign library. import-linter has the rest (.importlinter)."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Final

from tools.checks.source import Finding, Source

# Library -> path prefixes that may import it.
_HOMES: Final[Mapping[str, tuple[str, ...]]] = {
    "openai": ("src/battcrm/infra/llm/",),
    "litellm": ("src/battcrm/infra/llm/",),
    "neo4j": ("src/battcrm/infra/neo4j.py",),
    "aiohttp": ("src/battcrm/infra/http.py",),
}
# An emulator is a server; the same library has a client, and that one stays out.
_SERVER_ONLY: Final = ("src/battcrm/devkit/",)


def foreign_libraries(source: Source) -> Iterator[Finding]:
    """Vendor libraries stay behind the one module that wraps them."""
    for node in source.nodes:
        for module, names in _imported(node):
            library = module.partition(".")[0]
            homes = _HOMES.get(library)
            if homes is None or source.path.startswith(homes):
                continue
            if library == "aiohttp" and source.path.startswith(_SERVER_ONLY) and _is_server(module, names):
                continue
            yield source.finding(node, "border", f"only {' and '.join(homes)} may import {library}")


def _imported(node: ast.AST) -> Iterator[tuple[str, tuple[str, ...]]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name, ()
    elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        yield node.module, tuple(alias.name for alias in node.names)


def _is_server(module: str, names: tuple[str, ...]) -> bool:
    return module.startswith("aiohttp.web") or (module == "aiohttp" and names == ("web",))
