"""A copy of the product in which a break may be made; the checkout itself is never touched."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tools.breaks.listed import ROOT, SOURCE, Break, applied

_PARTS: Final = ("src", "tests", "tools", "migrations", "docs", "pyproject.toml", "alembic.ini")
_JUNK: Final = shutil.ignore_patterns("__pycache__", "node_modules", "*.egg-info")


@contextmanager
def copied(root: Path = ROOT) -> Iterator[Path]:
    """A copy of what scripts and tests need, removed at the end."""
    place = Path(tempfile.mkdtemp(prefix="battcrm-breaks-"))
    try:
        for part in _PARTS:
            source = root / part
            if source.is_dir():
                shutil.copytree(source, place / part, ignore=_JUNK, symlinks=True)
            elif source.exists():
                shutil.copy2(source, place / part)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def broken(one: Break, tree: Path) -> Iterator[None]:
    """The tree with the break in it; whole again afterwards."""
    path = tree / SOURCE / one.file
    whole = path.read_text("utf-8")
    path.write_text(applied(one, whole), "utf-8")
    try:
        yield
    finally:
        path.write_text(whole, "utf-8")
