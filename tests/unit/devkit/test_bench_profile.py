"""A profile that cannot be made is refused before servers are started."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from battcrm.devkit.bench import profile
from battcrm.kit.errors import Invalid


def test_no_profile_needs_nothing() -> None:
    profile.check(None)


def test_without_py_spy_the_option_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(Invalid) as caught:
        profile.check(tmp_path / "flame.svg")
    assert caught.value.field == "--profile"
    assert "py-spy" in (caught.value.remedy or "")


def test_a_missing_folder_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: "/usr/bin/py-spy")
    with pytest.raises(Invalid, match="nowhere"):
        profile.check(tmp_path / "nowhere" / "flame.svg")
