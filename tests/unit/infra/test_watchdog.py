"""A loop that stands still ends its process; a process that was stopped as a whole goes on."""

from __future__ import annotations

import asyncio
import signal
import sys
import textwrap

PROGRAM = textwrap.dedent(
    """
    import asyncio, sys, time
    from battcrm.infra.telemetry import Watchdog

    async def main():
        watching = asyncio.ensure_future(Watchdog(limit=3.0).run())
        await asyncio.sleep(0)
        print("up", flush=True)
        if sys.argv[1] == "stalls":
            time.sleep(60)
        print(await asyncio.to_thread(sys.stdin.readline), flush=True)
        await asyncio.sleep(1.5)
        watching.cancel()

    asyncio.run(main())
    """
)


async def start(how: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, how, stdin=pipe, stdout=pipe, stderr=pipe
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"up\n"
    return process


async def test_a_loop_that_stands_still_ends_the_process_and_says_where() -> None:
    process = await start("stalls")
    _, said = await process.communicate()
    assert process.returncode == 70
    assert b"main" in said


async def test_a_process_that_was_frozen_goes_on() -> None:
    process = await start("lives")
    process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(5.0)  # longer than the limit: there is nothing to wait for but time
    process.send_signal(signal.SIGCONT)
    said, errors = await process.communicate(b"on\n")
    assert (process.returncode, said.split()) == (0, [b"on"]), errors.decode()
