"""The wheel is whole: whoever installs it has migrations, words, templates and pages, and can start from nothing."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import site
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LIMIT = 300


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from this checkout with what is installed: nothing is asked of a package index."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=LIMIT)
    (found,) = folder.glob("*.whl")
    return found


def sources() -> set[str]:
    """What belongs into it, by the names inside: all of the package and the migrations."""
    found = set()
    for folder, place in ((ROOT / "src" / "battcrm", "battcrm"), (ROOT / "migrations", "battcrm/_migrations")):
        for path in folder.rglob("*"):
            inside = path.relative_to(folder)
            if path.is_file() and "__pycache__" not in inside.parts and "compiled" not in inside.parts:
                found.add(f"{place}/{inside.as_posix()}")
    return found


def test_the_wheel_has_every_file(wheel: Path) -> None:
    wanted = sources()
    for example in (
        "battcrm/_migrations/versions/0001_people.py",
        "battcrm/_migrations/script.py.mako",
        "battcrm/extraction/prompts/extract_v1.md",
        "battcrm/extraction/gazetteer/data/devices.tsv",
        "battcrm/extraction/rules/words.rules",
        "battcrm/response/templates/ru/quote.j2",
        "battcrm/response/templates/en/quote.j2",
        "battcrm/transport/webchat/static/chat.html",
        "battcrm/devkit/demo/dialogues.yaml",
        "battcrm/py.typed",
    ):
        assert example in wanted
    with zipfile.ZipFile(wheel) as archive:
        assert {name for name in archive.namelist() if ".dist-info/" not in name} == wanted


@pytest.fixture
def installed(wheel: Path) -> Iterator[Path]:
    """A fresh environment with the wheel in it, in a place that the servers' own user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="battcrm-wheel-"))
    folder.chmod(0o755)
    # As the Makefile: `python -m venv` and pip are missing where a system packs them apart.
    uv = [shutil.which("uv") or str(ROOT / ".tools/uv/bin/uv"), "--quiet", "--offline", "--no-cache"]
    for step in (
        ["venv", "--python", sys.executable, str(folder / "env")],
        ["pip", "install", "--no-deps", "--python", str(folder / "env/bin/python"), str(wheel)],
    ):
        subprocess.run([*uv, *step], check=True, capture_output=True, timeout=LIMIT)
    # What it depends on is what this run has; the checkout itself is not on that path.
    (library,) = (folder / "env").glob("lib/python*/site-packages")
    (library / "dependencies.pth").write_text("".join(f"{path}\n" for path in site.getsitepackages()))
    show = [str(folder / "env" / "bin" / "python"), "-c", "import battcrm; print(battcrm.__file__)"]
    assert subprocess.run(show, cwd=folder, capture_output=True, text=True, check=True).stdout.startswith(str(library))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


async def battcrm(folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and output of a command, away from the checkout."""
    path = f"{folder / 'env' / 'bin'}:{os.defpath}"
    environment = {"PATH": path, "BATTCRM_HOME": str(folder / "home"), "HOME": str(folder)}
    process = await asyncio.create_subprocess_exec(
        folder / "env" / "bin" / "battcrm",
        *arguments,
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT if "--json" not in arguments else None,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def test_an_installed_wheel_starts_from_nothing(installed: Path) -> None:
    code, said = await battcrm(installed, "up")
    try:
        assert code == 0, said
        code, said = await battcrm(installed, "migrate")
        assert code == 0, said
        code, said = await battcrm(installed, "doctor", "--json")
        found = json.loads(said)
        assert [check for check in found["checks"] if not check["ok"]] == []
        assert (code, found["ok"]) == (0, True)
        code, said = await battcrm(installed, "tenant", "create", "wheel", "--name", "Wheel")
        assert code == 0, said
    finally:
        code, said = await battcrm(installed, "down")
    assert code == 0, said
