"""Names the Python that `make setup` builds the environment with: the fastest on this machine, 3.11 or newer.

Builds of one version differ by a third in speed (compiled with or without a profile), and a worker is as fast as its
interpreter. So each one on PATH does a piece of typical work; of those within a tenth of the fastest the first is
taken, so that noise decides nothing. It runs before anything is installed, under any Python 3.11.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

NAMES: Final = ("python3", "python3.14", "python3.13", "python3.12", "python3.11")
SAME: Final = 1.1
_PROBE: Final = """
import ctypes, ssl, sys, time, zlib
assert sys.implementation.name == "cpython" and sys.version_info >= (3, 11)

class Point:
    __slots__ = ("x", "y")
    def __init__(self, x, y):
        self.x, self.y = x, y
    def sum(self):
        return self.x + self.y

def work():
    seen = {}
    for number in range(4000):
        key = str(number % 100)
        seen[key] = seen.get(key, 0) + Point(number, len(key)).sum()
    return sorted((value, key) for key, value in seen.items())

def taken():
    start = time.perf_counter()
    work()
    return time.perf_counter() - start

print(min(taken() for _ in range(25)), sys.executable)
"""


class Measured(NamedTuple):
    """What an interpreter took for the work."""

    seconds: float
    executable: str


def found(path: str) -> Iterator[Path]:
    """Every program in the folders of `path` that has a Python's name, in their order."""
    for folder in path.split(os.pathsep):
        for name in NAMES:
            candidate = Path(folder) / name
            if candidate.is_file() and os.access(candidate, os.X_OK):
                yield candidate


def measured(candidates: Iterable[Path]) -> Iterator[Measured]:
    """How fast each one is; those that are too old, not CPython or broken are left out."""
    for candidate in candidates:
        try:
            done = subprocess.run(  # noqa: S603 - programs of the machine's own PATH
                [candidate, "-I", "-c", _PROBE], capture_output=True, text=True, timeout=20, check=True
            )
        except (OSError, subprocess.SubprocessError):
            continue
        seconds, _, executable = done.stdout.strip().partition(" ")
        yield Measured(float(seconds), executable)


def choice(candidates: Iterable[Measured]) -> str | None:
    """The executable to take; None of none."""
    known = list(candidates)
    limit = min((one.seconds for one in known), default=0.0) * SAME
    return next((one.executable for one in known if one.seconds <= limit), None)


if __name__ == "__main__":
    sys.stdout.write(choice(measured(found(os.environ.get("PATH", os.defpath)))) or "")
