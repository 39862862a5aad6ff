"""The process that plays scripts in a broken tree, as the runner sees it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any


def environment(tree: Path) -> dict[str, str]:
    """Python in the tree, and of the tree."""
    path = f"{tree / 'src'}{os.pathsep}{tree}"
    return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


class Players:
    """One `tools.breaks.child`, started when it is first asked and again when it came to no end."""

    def __init__(self, tree: Path, folder: Path) -> None:
        self._tree = tree
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    async def play(self, url: str, first: Sequence[str], seconds: float) -> dict[str, Any] | None:
        """The child's answer; None when there is none within `seconds`."""
        process = self._process or await self._start()
        if process.stdin is None or process.stdout is None:
            return {"error": "no pipes"}
        process.stdin.write(json.dumps({"url": url, "first": list(first)}).encode() + b"\n")
        try:
            async with asyncio.timeout(seconds):
                line = await process.stdout.readline()
        except TimeoutError:
            await self.stop()
            return None
        if not line:
            await self.stop()
            return {"error": "the player died"}
        found: dict[str, Any] = json.loads(line)
        return found

    async def stop(self) -> None:
        """End it, with whatever it is playing."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def _start(self) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tools.breaks.child", str(self._folder),
            cwd=self._tree, env=environment(self._tree), stdin=pipe, stdout=pipe, start_new_session=True,
        )  # fmt: skip
        return self._process
