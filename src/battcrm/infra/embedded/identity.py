"""As whom PostgreSQL runs. It refuses root, so root's cluster runs as `nobody`, one way or another."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from battcrm.infra.embedded.process import Identity, run
from battcrm.kit.errors import Invalid

_OVERFLOW: Final = 65534
_UNSHARE: Final = ("unshare", "--user", f"--map-user={_OVERFLOW}", f"--map-group={_OVERFLOW}")


@dataclass(frozen=True, slots=True)
class RunAs:
    """How to execute PostgreSQL's programs: where they are, before what command, as which user, owning which files."""

    programs: Path
    prefix: tuple[str, ...]
    identity: Identity | None
    owner: Identity | None
    """Who must own the data folder as seen from outside; None = leave it."""

    def command(self, program: str, *arguments: str | Path) -> list[str | Path]:
        """Argument list of one program."""
        return [*self.prefix, self.programs / program, *arguments]


def choose(programs: Path, folder: Path, shelter: Path) -> RunAs:
    """The least intrusive way to run `programs` on data below `folder`.

    An ordinary user runs them as they are. Root drops to `nobody`; where `nobody` cannot pass through a private
    folder above the programs or the data, root maps itself to that user in a user namespace; where namespaces
    are forbidden, the programs are copied to `shelter`. Raises `Invalid` when the data itself is out of reach.
    """
    if os.geteuid() != 0:
        return RunAs(programs, (), None, None)
    nobody = _nobody()
    data_reachable = _passable(folder, nobody)
    if data_reachable and _runs(RunAs(programs, (), nobody, nobody)):
        return RunAs(programs, (), nobody, nobody)
    mapped = RunAs(programs, _UNSHARE, None, Identity(0, 0))
    if shutil.which("unshare") and _runs(mapped):
        return mapped
    if data_reachable:
        copied = RunAs(_copy(programs, shelter), (), nobody, nobody)
        if _runs(copied):
            return copied
    raise Invalid(
        f"PostgreSQL cannot run as root, and the user nobody cannot reach {folder}",
        field="BATTCRM_HOME",
        remedy="set BATTCRM_HOME to a folder other users may pass through (mode 0711), or run as an ordinary user",
        code="embedded.postgres.identity",
    )


def own(path: Path, owner: Identity | None) -> None:
    """Give a folder and all below it to `owner`, when it is not so already."""
    if owner is None or path.stat().st_uid == owner.uid:
        return
    for parent, _, files in os.walk(path):
        os.chown(parent, owner.uid, owner.gid)
        for name in files:
            os.chown(os.path.join(parent, name), owner.uid, owner.gid, follow_symlinks=False)
    os.chown(path, owner.uid, owner.gid)


def _nobody() -> Identity:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return Identity(_OVERFLOW, _OVERFLOW)
    return Identity(entry.pw_uid, entry.pw_gid)


def _runs(way: RunAs) -> bool:
    code, _ = run(way.command("postgres", "--version"), identity=way.identity)
    return code == 0


def _passable(folder: Path, who: Identity) -> bool:
    """Whether `who` may pass through every folder down to `folder`."""
    resolved = folder.resolve()
    return all(_may_enter(path.stat(), who) for path in (resolved, *resolved.parents))


def _may_enter(info: os.stat_result, who: Identity) -> bool:
    if info.st_uid == who.uid:
        return bool(info.st_mode & stat.S_IXUSR)
    if info.st_gid == who.gid:
        return bool(info.st_mode & stat.S_IXGRP)
    return bool(info.st_mode & stat.S_IXOTH)


def _copy(programs: Path, shelter: Path) -> Path:
    """Copy the installation and the shared libraries it finds by relative path. Returns the copy's program folder."""
    installation = programs.parent
    package = installation.parent
    target = shelter / package.name / installation.name
    if not (target / "bin" / "postgres").exists():
        partial = shelter / "partial"
        shutil.rmtree(partial, ignore_errors=True)
        libraries = package.with_name(f"{package.name}.libs")
        shutil.copytree(installation, partial / package.name / installation.name, symlinks=True)
        if libraries.exists():
            shutil.copytree(libraries, partial / libraries.name, symlinks=True)
        for child in partial.iterdir():
            shutil.rmtree(shelter / child.name, ignore_errors=True)
            child.replace(shelter / child.name)
        shutil.rmtree(partial, ignore_errors=True)
    return target / "bin"
