from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from battcrm.infra.embedded import identity, locate
from battcrm.infra.embedded.process import Identity, run
from battcrm.kit.errors import Invalid

STRANGER = Identity(54321, 54321)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="battcrm-identity-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_private_parent_cannot_be_passed(open_folder: Path) -> None:
    inner = open_folder / "private" / "inner"
    inner.mkdir(parents=True)
    for folder in (inner.parent, inner):
        folder.chmod(0o755)
    assert identity._passable(inner, STRANGER)
    inner.parent.chmod(0o700)
    assert not identity._passable(inner, STRANGER)
    assert identity._passable(inner, Identity(os.geteuid(), os.getegid()))
    inner.parent.chmod(0o711)
    assert identity._passable(inner, STRANGER)


def test_an_ordinary_user_changes_nothing(monkeypatch: pytest.MonkeyPatch, open_folder: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    way = identity.choose(open_folder, open_folder, open_folder)
    assert way == identity.RunAs(open_folder, (), None, None)


def test_a_copy_of_the_programs_runs(open_folder: Path) -> None:
    copied = identity._copy(locate.postgres_bin(), open_folder)
    assert copied.is_relative_to(open_folder)
    code, output = run([copied / "postgres", "--version"])
    assert (code, "PostgreSQL" in output) == (0, True)
    stamp = (copied / "postgres").stat().st_mtime_ns
    assert identity._copy(locate.postgres_bin(), open_folder) == copied
    assert (copied / "postgres").stat().st_mtime_ns == stamp


def root_with(monkeypatch: pytest.MonkeyPatch, *, works: set[str], passable: bool) -> None:
    """As root, with only these ways of running the programs working."""

    def runs(way: identity.RunAs) -> bool:
        kind = "mapped" if way.prefix else "copied" if "shelter" in way.programs.parts else "direct"
        return kind in works

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(identity, "_runs", runs)
    monkeypatch.setattr(identity, "_passable", lambda folder, who: passable)
    monkeypatch.setattr(identity, "_copy", lambda programs, shelter: shelter / "bin")
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")


@pytest.mark.parametrize(
    ("works", "passable", "kind"),
    [
        ({"direct", "mapped", "copied"}, True, "direct"),
        ({"mapped", "copied"}, True, "mapped"),
        ({"direct", "mapped"}, False, "mapped"),
        ({"copied"}, True, "copied"),
    ],
)
def test_root_takes_the_least_intrusive_way(
    monkeypatch: pytest.MonkeyPatch, works: set[str], passable: bool, kind: str
) -> None:
    root_with(monkeypatch, works=works, passable=passable)
    way = identity.choose(Path("/programs"), Path("/data"), Path("/shelter"))
    assert ("unshare" in way.prefix) is (kind == "mapped")
    assert (way.programs == Path("/shelter/bin")) is (kind == "copied")
    assert (way.identity is not None) is (kind != "mapped")
    assert way.owner is not None


def test_root_with_data_out_of_reach_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    root_with(monkeypatch, works={"direct", "copied"}, passable=False)
    with pytest.raises(Invalid) as caught:
        identity.choose(Path("/programs"), Path("/data"), Path("/shelter"))
    assert caught.value.field == "BATTCRM_HOME"
