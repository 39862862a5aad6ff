"""The image's steps, read from the Dockerfile, in an empty environment: only the machine below is another one."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from battcrm.infra.embedded.process import free_port
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[3]


def steps(stage: str) -> list[tuple[str, str]]:
    """Instructions of a stage with their continuation lines joined."""
    joined = re.sub(r"\\\n", " ", stage)
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines]


def build(dockerfile: str, folder: Path) -> Path:
    """Play the first stage below `folder`; the environment that the second one copies."""
    environment, context = folder / "opt", folder / "build"
    context.mkdir()
    settings = dict(os.environ)
    for name, rest in steps(dockerfile.split("\nFROM ", 2)[1]):
        if name == "ENV":
            settings |= dict(part.split("=", 1) for part in shlex.split(rest))
        elif name == "COPY":
            *sources, target = rest.split()
            for source in sources:
                place = context / target / Path(source).name if target.endswith("/") else context / target
                place.parent.mkdir(parents=True, exist_ok=True)
                copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
                copy(ROOT / source, place)
        elif name == "RUN":
            command = rest.replace("/opt/battcrm", str(environment)).replace(
                "python -m venv", f"{sys.executable} -m venv"
            )
            subprocess.run(["sh", "-ec", command], cwd=context, env=settings, check=True, capture_output=True)
    return environment


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_the_images_steps_make_a_program_that_works(
    tmp_path: Path, clean_database: str, pg_worker_url: str, redis_url: str
) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    place = await asyncio.to_thread(build, dockerfile, tmp_path)
    shutil.rmtree(tmp_path / "build")
    program, home = place / "bin" / "battcrm", tmp_path / "home"
    home.mkdir()
    port = free_port()
    environment = {
        "PATH": f"{place / 'bin'}:/usr/bin:/bin",
        "DATABASE_URL": pg_worker_url,
        "BATTCRM_OWNER_URL": clean_database,
        "REDIS_URL": redis_url,
        "NEO4J_URL": "bolt://127.0.0.1:9",
        "NEO4J_PASSWORD": "none",
        "BATTCRM_SECRET_KEYS": base64.b64encode(bytes(32)).decode(),
        "BATTCRM_HOME": str(home),
        "BATTCRM_METRICS_PORT": str(port),
    }
    migrated = await asyncio.create_subprocess_exec(program, "migrate", env=environment, cwd=home)
    assert await migrated.wait() == 0
    check = re.search(r'CMD \["python", "-c", "(.+)"\]', dockerfile)
    assert check is not None
    probe = [place / "bin" / "python", "-c", check.group(1).replace(":9100", f":{port}")]

    async def healthy() -> bool:
        asked = await asyncio.create_subprocess_exec(*probe, env=environment, stderr=asyncio.subprocess.DEVNULL)
        return await asked.wait() == 0

    assert not await healthy(), "nothing runs yet"
    process = await asyncio.create_subprocess_exec(
        program, "run", "processor,ai-worker,relay", env=environment, cwd=home
    )
    try:
        up: bool = await eventually(healthy)
        assert up
    finally:
        process.terminate()
        assert await process.wait() == 0
