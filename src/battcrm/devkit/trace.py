"""One message's trace over all roles, each in a process of its own: `python -m battcrm.devkit.trace OUT.svg`.

Plays a few dialogues on throw-away servers, picks a message that passed every role and draws its spans to scale.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from battcrm.devkit.bench import plan
from battcrm.devkit.bench.generator import Sockets
from battcrm.devkit.bench.seed import SECRET
from battcrm.devkit.bench.world import Bench, Shape, world
from battcrm.kit.errors import Permanent

ROLES: Final = ("processor", "ai-worker", "out-worker", "relay", "event-processor")
STAGES: Final = frozenset(
    {"gateway", "inbox", "process", "turn", "read", "model", "graph", "commit", "send", "consume"}
)
_COLOURS: Final = {
    "gateway": "#4e79a7", "processor": "#f28e2b", "ai-worker": "#59a14f", "out-worker": "#b07aa1",
    "relay": "#9c755f", "event-processor": "#e15759",
}  # fmt: skip
_WIDTH, _LEFT, _ROW = 900, 250, 22
Span = Mapping[str, Any]


async def record(folder: Path) -> list[Span]:
    """Play dialogues on a world whose processes write their spans into `folder`; the spans of one whole trace."""
    file = folder / "spans.jsonl"
    os.environ["BATTCRM_TRACES"] = f"file:{file}"
    try:
        async with world(Shape(tenants=3, model_ms=(60, 90)), folder) as bench:
            await _apart(bench, folder)
            async with asyncio.timeout(120):
                # What is played first meets cold caches and roles that still load their dictionaries.
                for seed in range(100):
                    await _play(bench, seed)
                    whole = _shortest(file) if seed > 1 else None
                    if whole is not None:
                        return whole
        raise Permanent("no message passed every role")
    finally:
        del os.environ["BATTCRM_TRACES"]


async def _apart(bench: Bench, folder: Path) -> None:
    """Each role in its own process instead of all in one."""
    worker = bench.processes["worker"]
    worker.terminate()
    await worker.wait()
    command = str(Path(sys.executable).parent / "battcrm")
    for role in ROLES:
        with (folder / f"{role}.log").open("wb") as log:
            bench.processes[role] = await asyncio.create_subprocess_exec(
                command, "run", role, env=bench.environment, stdout=log, stderr=log
            )


async def _play(bench: Bench, seed: int) -> None:
    parts = urlsplit(bench.gateway_url)
    sockets = Sockets(parts.hostname or "", parts.port or 80)
    for call in plan.make_plan(4.0, 8.0, tenants=3, seed=seed, model_share=0.9):
        status = await sockets.post(bench.shops[call.tenant].hook, call.body, SECRET)
        if status != 200:
            raise Permanent(f"the gateway answered {status}")
        await asyncio.sleep(0.1)
    sockets.close()


def _shortest(file: Path) -> list[Span] | None:
    """Of the traces that show every stage, a single turn and every role, the one that took least."""
    traces: dict[str, list[Span]] = defaultdict(list)
    for line in file.read_bytes().splitlines() if file.exists() else ():
        span = orjson.loads(line)
        traces[span["trace"]].append(span)
    whole = [spans for spans in traces.values() if _is_whole(spans)]
    shortest = min(whole, key=_length, default=None)
    return None if shortest is None else sorted(shortest, key=lambda span: (span["begin"], span["end"]))


def _is_whole(spans: Sequence[Span]) -> bool:
    names = [span["name"] for span in spans]
    return set(names) >= STAGES and names.count("turn") == 1 and {s["role"] for s in spans} >= set(_COLOURS)


def _length(spans: Sequence[Span]) -> int:
    length: int = max(span["end"] for span in spans) - min(span["begin"] for span in spans)
    return length


def draw(spans: Sequence[Span]) -> str:
    """An SVG: a row for each span, to scale, in the colour of its process."""
    start, total = min(span["begin"] for span in spans), _length(spans)
    scale = (_WIDTH - _LEFT - 90) / total
    rows = [_row(number, span, start, scale) for number, span in enumerate(spans)]
    height = (len(spans) + 3) * _ROW
    title = f"trace {spans[0]['trace']}: {total / 1e6:.0f} ms from the webhook to the last consumer"
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
            f'font-size="12" role="img" aria-label="{escape(title)}">',
            f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
            f'<text x="8" y="16" font-weight="bold">{escape(title)}</text>',
            *rows,
            *_legend(height - _ROW // 2),
            "</svg>",
            "",
        )
    )


def _row(number: int, span: Span, start: int, scale: float) -> str:
    y = (number + 1.4) * _ROW
    x = _LEFT + (span["begin"] - start) * scale
    width = max(1.5, (span["end"] - span["begin"]) * scale)
    spent = (span["end"] - span["begin"]) / 1e6
    attributes = span["attributes"]
    detail = attributes.get("type") or attributes.get("reason") or attributes.get("state") or ""
    label = f"{span['name']} {detail}".strip()
    colour = _COLOURS.get(span["role"], "#777")
    return (
        f'<text x="8" y="{y + 12:.0f}">{escape(label)}</text>'
        f'<rect x="{x:.1f}" y="{y:.0f}" width="{width:.1f}" height="15" rx="2" fill="{colour}"/>'
        f'<text x="{x + width + 4:.1f}" y="{y + 12:.0f}" fill="#555">{spent:.1f} ms</text>'
    )


def _legend(y: int) -> list[str]:
    parts = []
    for number, (role, colour) in enumerate(_COLOURS.items()):
        x = 8 + number * 145
        parts.append(f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{x + 17}" y="{y}">{role}</text>')
    return parts


def main() -> None:
    """Record and draw."""
    with tempfile.TemporaryDirectory(prefix="battcrm-trace-") as folder:
        spans = asyncio.run(record(Path(folder)))
    Path(sys.argv[1]).write_text(draw(spans), encoding="utf-8")
    sys.stderr.write(f"{len(spans)} spans of {spans[0]['trace']}\n")


if __name__ == "__main__":
    main()
