"""What a fresh process pays for the catalogue. Time is reported, not judged here: it depends on the machine."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.support.waiting import PATIENCE


def test_the_catalogue_fits_in_memory_and_its_cost_is_reported() -> None:
    command = [sys.executable, "-c", "from battcrm.cli.main import main; main()", "eval", "cold", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    report = json.loads(done.stdout)
    assert list(report) == ["catalogue", "rules", "weights", "dictionary", "first text"]
    assert report["catalogue"]["mb"] <= 60
    assert all(step["ms"] >= 0 for step in report.values())
    assert report["catalogue"]["ms"] > 0
