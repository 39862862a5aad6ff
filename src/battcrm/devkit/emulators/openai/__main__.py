"""`python -m battcrm.devkit.emulators.openai --port N --latency-ms 500-1500`: a process of its own, with a control API."""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import sys

from battcrm.devkit.emulators.control import add_control
from battcrm.devkit.emulators.openai.server import OpenAiEmulator


def _range(text: str) -> tuple[float, float]:
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    if match is None:
        raise argparse.ArgumentTypeError("expected milliseconds such as 500-1500 or 0")
    low, high = float(match[1]), float(match[2] or match[1])
    if low > high:
        raise argparse.ArgumentTypeError("expected the lower bound first")
    return low, high


async def _serve(port: int, latency_ms: tuple[float, float], seed: int) -> None:
    emulator = OpenAiEmulator(port=port, latency_ms=latency_ms, seed=seed)
    add_control(emulator, ("set_latency",))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with emulator:
        sys.stdout.write(f"{emulator.url}\n")
        sys.stdout.flush()
        await stop.wait()


def main() -> None:
    """Serve until SIGINT or SIGTERM; the first line of standard output is the address (without /v1)."""
    parser = argparse.ArgumentParser(prog="python -m battcrm.devkit.emulators.openai")
    parser.add_argument("--port", type=int, default=0, help="0 = any free port")
    parser.add_argument("--latency-ms", type=_range, default=(500.0, 1500.0), help="LOW-HIGH, uniform; 0 = at once")
    parser.add_argument("--seed", type=int, default=0, help="other latencies for the same texts")
    options = parser.parse_args()
    served = _serve(options.port, options.latency_ms, options.seed)
    try:
        import uvloop
    except ImportError:
        asyncio.run(served)
    else:
        uvloop.run(served)


if __name__ == "__main__":
    main()
