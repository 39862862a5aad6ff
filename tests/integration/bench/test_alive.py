"""A load that nobody serves any more is an error with its reason, not a report of zeros."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from battcrm.devkit.bench.world import check_alive
from battcrm.kit.errors import Permanent


async def test_a_role_that_ended_is_named_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text("starting\nno more memory\n")
    ended = await asyncio.create_subprocess_exec(sys.executable, "-c", "raise SystemExit(3)")
    await ended.wait()
    bench: Any = SimpleNamespace(processes={"generator": ended})
    check_alive(bench, tmp_path)
    bench.processes["worker"] = ended
    with pytest.raises(Permanent, match="worker ended under the load: no more memory"):
        check_alive(bench, tmp_path)
