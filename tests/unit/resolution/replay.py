"""The labelled dialogues, and the helpers that build what a label says."""

from __future__ import annotations

from pathlib import Path

from battcrm.resolution.appeal import DeviceAppealRouter
from battcrm.resolution.evaluation import START, Routed, evaluate, hypothesis, load_dialogues, signals

__all__ = ["DATA", "START", "hypothesis", "replay_all", "signals"]
DATA = Path(__file__).parents[2] / "data" / "routing" / "dialogues.jsonl"


def replay_all(router: DeviceAppealRouter) -> tuple[Routed, ...]:
    """Every labelled message, read as its label says."""
    return evaluate(load_dialogues(DATA), router).routed
