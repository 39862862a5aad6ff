"""`battcrm doctor`: is everything here that the system needs, and how to mend what is not."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from battcrm.cli import probes
from battcrm.cli.probes import Check
from battcrm.infra import embedded
from battcrm.kit.errors import BattError, Invalid
from battcrm.settings import Settings, load_settings
from battcrm.workers.local_keys import has_local_key

_PYTHON: Final = (3, 11)
_GLIBC: Final = (2, 34)
_MIN_FREE_BYTES: Final = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Report:
    """What `doctor` prints. `exit_code`: 0 sound, 1 something failed, 2 the configuration itself is wrong."""

    checks: list[Check]
    exit_code: int

    def document(self) -> str:
        """The stable JSON form."""
        return json.dumps({"ok": self.exit_code == 0, "checks": [asdict(check) for check in self.checks]})


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check this installation, its configuration and its servers, with a remedy for each fault."""
    report = asyncio.run(examine())
    if as_json:
        typer.echo(report.document())
    else:
        console = Console(highlight=False)
        for check in report.checks:
            console.print(f"{'ok  ' if check.ok else 'FAIL'} {check.name}: {check.detail}", markup=False)
            if not check.ok:
                console.print(f"     remedy: {check.remedy}", markup=False)
    raise typer.Exit(report.exit_code)


async def examine() -> Report:
    """Run every check. Server checks run side by side; none changes anything."""
    checks = [_python()]
    try:
        settings = load_settings()
    except Invalid as error:
        return Report([*checks, Check("configuration", False, error.text, error.remedy)], 2)
    checks.append(Check("configuration", True, "every variable is usable"))
    checks += [_secret_keys(settings), _writable(settings.home), _disk(settings.home)]
    if "graph" in settings.embedded:
        checks.append(_glibc())
    checks += await _servers(settings)
    return Report(checks, 0 if all(check.ok for check in checks) else 1)


async def _servers(settings: Settings) -> list[Check]:
    local: embedded.Running | None = None
    trouble = "it is not running"
    if settings.embedded:
        try:
            local = await embedded.attach(settings.home)
        except BattError as error:
            trouble = error.text
    found = await asyncio.gather(*probes.all_of(settings, local, trouble))
    return [check for group in found for check in group]


def _python() -> Check:
    version = platform.python_version()
    return Check("python", sys.version_info[:2] >= _PYTHON, version, "use Python 3.11 or newer")


def _glibc() -> Check:
    name, version = platform.libc_ver()
    if name != "glibc":
        return Check(
            "glibc", sys.platform != "linux", name or sys.platform, "set NEO4J_URL: the local graph needs glibc"
        )
    numbers = tuple(int(part) for part in version.split(".")[:2])
    return Check("glibc", numbers >= _GLIBC, version, "set NEO4J_URL, or use a system with glibc 2.34 or newer")


def _secret_keys(settings: Settings) -> Check:
    count = len(settings.encryption_keys)
    local = "postgres" in settings.embedded and has_local_key(settings.home)
    missing = (
        "this installation's own key" if local else "BATTCRM_SECRET_KEYS is not set; channel secrets cannot be stored"
    )
    detail = f"{count} configured" if count else missing
    return Check(
        "secret_keys",
        local or count > 0,
        detail,
        'set BATTCRM_SECRET_KEYS="$(openssl rand -base64 32)" and keep it safe',
    )


def _existing(path: Path) -> Path:
    return next(p for p in (path.resolve(), *path.resolve().parents) if p.exists())


def _writable(home: Path) -> Check:
    nearest = _existing(home)
    usable = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
    return Check("home", usable, f"{home.resolve()}", "set BATTCRM_HOME to a folder this user may write")


def _disk(home: Path) -> Check:
    free = shutil.disk_usage(_existing(home)).free
    detail = f"{free / 1024**3:.1f} GiB free at {home.resolve()}"
    return Check("disk", free >= _MIN_FREE_BYTES, detail, "free at least 2 GiB, or move BATTCRM_HOME")
