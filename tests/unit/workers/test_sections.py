from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import battcrm

_REGISTERED = re.compile(r'^SECTIONS\.register\("(\w+)"', re.MULTILINE)


def test_every_process_knows_every_section() -> None:
    """In a process of its own: in this one other tests have imported everything."""
    sources = Path(battcrm.__file__).parent.rglob("*.py")
    written = {name for source in sources for name in _REGISTERED.findall(source.read_text("utf-8"))}
    code = (
        "import battcrm.workers.runtime; from battcrm.models.config import SECTIONS;"
        f"SECTIONS.validate({ {name: {} for name in sorted(written)}!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {"dialog", "response", "resolution", "pricing", "contact"} <= written
