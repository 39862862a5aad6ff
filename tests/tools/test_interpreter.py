"""Which Python an environment is built with."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tools.interpreter import Measured, choice, found, measured


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("candidates", "taken"),
    [
        ([("a", 1.0), ("b", 0.7), ("c", 0.8)], "b"),
        ([("a", 0.76), ("b", 0.7)], "a"),
        ([("a", 0.78), ("b", 0.7)], "b"),
        ([], None),
    ],
)
def test_the_fastest_is_taken_and_of_equals_the_first(candidates: list[tuple[str, float]], taken: str | None) -> None:
    assert choice(Measured(seconds, name) for name, seconds in candidates) == taken


def test_all_on_the_path_are_found_in_its_order(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    wanted = [program(first / "python3.12", ""), program(second / "python3", ""), program(second / "python3.11", "")]
    program(second / "python2", "")
    (first / "python3").write_text("not a program")
    (second / "python3.14").mkdir()
    assert list(found(os.pathsep.join([str(first), str(tmp_path / "away"), str(second)]))) == wanted


def test_what_cannot_be_used_is_left_out(tmp_path: Path) -> None:
    silent = program(tmp_path / "old" / "python3", "exit 1")
    broken = tmp_path / "broken" / "python3"
    program(broken, "").write_bytes(b"\x7fELF nothing")
    [one] = measured([silent, broken, tmp_path / "away", Path(sys.executable)])
    assert one.seconds > 0
    assert Path(one.executable).samefile(sys.executable)


def test_an_interpreter_that_is_too_old_leaves_itself_out(tmp_path: Path) -> None:
    refuses = 'exec "{python}" -I -c "import sys; sys.version_info = (3, 10); exec(sys.argv[1])" "$3"'
    old = program(tmp_path / "python3", refuses.format(python=sys.executable))
    assert list(measured([old])) == []
    same = program(tmp_path / "python3.11", refuses.replace("(3, 10)", "(3, 11)").format(python=sys.executable))
    assert len(list(measured([same]))) == 1
