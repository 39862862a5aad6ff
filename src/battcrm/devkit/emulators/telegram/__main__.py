"""`python -m battcrm.devkit.emulators.telegram --port N`: the emulator as a process, with its control API."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

from battcrm.devkit.emulators.telegram.control import add_control
from battcrm.devkit.emulators.telegram.server import TelegramEmulator


async def _serve(options: argparse.Namespace) -> None:
    emulator = TelegramEmulator(
        port=options.port, open_registration=True, open_chats=True, time_factor=options.time_factor
    )
    add_control(emulator)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with emulator:
        sys.stdout.write(f"{emulator.url}\n")
        sys.stdout.flush()
        await stop.wait()


def main() -> None:
    """Serve until SIGINT or SIGTERM; the first line of standard output is the address."""
    parser = argparse.ArgumentParser(prog="python -m battcrm.devkit.emulators.telegram")
    parser.add_argument("--port", type=int, default=0, help="0 = any free port")
    parser.add_argument("--time-factor", type=float, default=1.0, help="scales pauses between delivery attempts")
    options = parser.parse_args()
    try:
        import uvloop
    except ImportError:
        asyncio.run(_serve(options))
    else:
        uvloop.run(_serve(options))


if __name__ == "__main__":
    main()
