"""CPU and memory of every process of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import psutil

from battcrm.devkit.bench.world import Bench

OTHERS: Final = ("emulator-", "generator", "bench")


@dataclass(frozen=True, slots=True)
class Sample:
    """Seconds of CPU used so far and megabytes of memory now, by process name."""

    cpu_s: dict[str, float]
    rss_mb: dict[str, float]


def sample(bench: Bench) -> Sample:
    """Read all processes of the world."""
    cpu: dict[str, float] = {}
    rss: dict[str, float] = {}
    for name, family in bench.pids().items():
        cpu[name], rss[name] = 0.0, 0.0
        for process in family:
            try:
                times = process.cpu_times()
                # Shared buffers would count once for each backend: of families of processes, private memory only.
                memory = process.memory_full_info().uss if len(family) > 1 else process.memory_info().rss
            except psutil.Error:
                continue
            cpu[name] += times.user + times.system
            rss[name] += memory / 1e6
    return Sample(cpu, rss)


def per_message(before: Sample, after: Sample, messages: int) -> dict[str, float]:
    """Milliseconds of CPU per message, by process."""
    return {
        name: round((after.cpu_s[name] - before.cpu_s.get(name, 0.0)) * 1000 / max(1, messages), 3)
        for name in after.cpu_s
        if after.cpu_s[name] >= before.cpu_s.get(name, 0.0)
    }


def ours(by_process: dict[str, float]) -> float:
    """The sum over our processes and servers, without emulators and load generator."""
    return round(sum(v for name, v in by_process.items() if not name.startswith(OTHERS)), 3)
