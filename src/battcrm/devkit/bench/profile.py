"""A flame graph of the worker while it is under load, where py-spy is installed."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from battcrm.devkit.bench.world import Bench
from battcrm.kit.errors import Invalid


def check(path: Path | None) -> None:
    """Invalid before anything is started when a profile is wanted and cannot be made."""
    if path is None:
        return
    if shutil.which("py-spy") is None:
        raise Invalid("py-spy is not installed", field="--profile", remedy="pip install py-spy, or leave --profile out")
    if not path.parent.is_dir():
        raise Invalid(f"no folder {path.parent}", field="--profile", remedy="name a file in a folder that exists")


async def record(bench: Bench, path: Path | None, seconds: float) -> None:
    """Sample the first worker for so long and write an SVG."""
    if path is None:
        return
    worker = next(process for name, process in bench.processes.items() if name.startswith(("worker", "ai-worker")))
    recorder = await asyncio.create_subprocess_exec(
        "py-spy", "record", "--pid", str(worker.pid), "--duration", str(max(1, int(seconds))), "--nonblocking",
        "--output", str(path), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    await recorder.wait()
