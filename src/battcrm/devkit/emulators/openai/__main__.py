"""`python -m battcrm.devkit.emulators.openai --port N --latency-ms 500-1500`: a process of its own, with a control API."""

from __future__ import annotations

import argparse
import re

from battcrm.devkit.emulators.control import parser_of, serve
from battcrm.devkit.emulators.openai.server import OpenAiEmulator


def _range(text: str) -> tuple[float, float]:
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    if match is None:
        raise argparse.ArgumentTypeError("expected milliseconds such as 500-1500 or 0")
    low, high = float(match[1]), float(match[2] or match[1])
    if low > high:
        raise argparse.ArgumentTypeError("expected the lower bound first")
    return low, high


def main() -> None:
    """Serve; the address on standard output is without /v1."""
    parser = parser_of("openai")
    parser.add_argument("--latency-ms", type=_range, default=(500.0, 1500.0), help="LOW-HIGH, uniform; 0 = at once")
    parser.add_argument("--seed", type=int, default=0, help="other latencies for the same texts")
    options = parser.parse_args()
    serve(lambda: OpenAiEmulator(port=options.port, latency_ms=options.latency_ms, seed=options.seed), ("set_latency",))


if __name__ == "__main__":
    main()
