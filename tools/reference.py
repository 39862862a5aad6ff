"""Writes pages of docs/reference from the code: `python -m tools.reference` (a test compares)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from pydantic.fields import FieldInfo

from battcrm.infra.telemetry import Metrics
from battcrm.settings import _REMEDIES, Settings
from tools import reference_commands, reference_umf

ROOT: Final = Path(__file__).parents[1]
_METRICS: Final = """# Metrics

Made from `src/battcrm/infra/telemetry.py` by `make docs`; a test compares. Do not edit.

The gateway answers `GET /metrics`, `/healthz` and `/readyz` on its own port, every process on `BATTCRM_METRICS_PORT`. The
format is Prometheus' text format; `process_cpu_seconds_total`, `process_resident_memory_bytes` and their like come with it.
Each role exports the queues that it serves. Durations are histograms in seconds.

| name | kind | unit | labels | meaning |
|---|---|---|---|---|
"""
_SETTINGS: Final = """# Configuration

Made from `src/battcrm/settings.py` by `make docs`; a test compares. Do not edit.

All settings are environment variables, read once when a process starts. A value that cannot be used ends the process
with exit code 2 and names the variable; the value itself is never shown. An empty variable counts as not set.

| variable | default | what to set |
|---|---|---|
"""
_MEANING: Final = {
    "NEO4J_USER": "user of the graph server",
    "NEO4J_DATABASE": "database of the graph server; not set: the server's own default",
    "OPENAI_API_KEY": "key of the model gateway; not set: rules answer alone",
    "OPENAI_MODEL": "model asked first",
    "OPENAI_SMALL_MODEL": "model asked when the first fails",
    "LLM_DAY_BUDGET_RUB": "most that one tenant spends on models in a day (UTC), in roubles; not set: no limit",
    "LLM_IN_FLIGHT": "model calls in flight in one process",
    "TELEGRAM_BOT_TOKEN": "bot that `battcrm demo` also answers, by long polling",
    "BATTCRM_HOME": "folder of the local servers' data and of this installation's key",
    "BATTCRM_GATEWAY_HOST": "address the gateway listens on",
    "BATTCRM_GATEWAY_PORT": "port the gateway listens on; 0 takes a free one",
    "BATTCRM_METRICS_PORT": "port of `/metrics`, `/healthz` and `/readyz` of this process, whatever its roles; 0 picks a free one",
    "BATTCRM_METRICS_HOST": "address that port listens on",
    "BATTCRM_TRACE_SHARE": "share of the messages that are traced, 0 to 1; every process chooses the same ones",
    "BATTCRM_EVENT_SHARDS": "event streams; every process must have the same number",
    "BATTCRM_DB_POOL_MAX": "connections to PostgreSQL of one process",
    "BATTCRM_MEDIA_DIR": "folder for what customers send",
    "BATTCRM_QUEUE_RESULTS_DAYS": "days after which results of the n8n bridge are deleted; not set: never",
    "BATTCRM_OWNER_URL": "the schema's owner, for migrations; not set: DATABASE_URL must be the owner itself",
}


def metrics() -> str:
    """The page of metrics."""
    return _METRICS + "".join(f"{_metric(metric)}\n" for metric in vars(Metrics(CollectorRegistry())).values())


def _metric(metric: MetricWrapperBase) -> str:
    kind = type(metric).__name__.lower()
    name = f"{metric._name}_total" if kind == "counter" else metric._name
    labels = ", ".join(f"`{label}`" for label in metric._labelnames) or "none"
    unit = "seconds" if name.endswith("_seconds") else "count"
    return f"| `{name}` | {kind} | {unit} | {labels} | {metric._documentation} |"


def configuration() -> str:
    """The page of settings."""
    fields: dict[str, FieldInfo] = Settings.model_fields
    return _SETTINGS + "".join(f"{_setting(field)}\n" for field in fields.values())


def _setting(field: FieldInfo) -> str:
    name = str(field.validation_alias)
    text = _MEANING.get(name) or re.sub(r"^set ", "", _REMEDIES[name])
    return f"| `{name}` | {_default(name, field.default)} | {text.replace('|', chr(92) + '|')} |"


def _default(name: str, value: object) -> str:
    special = {"BATTCRM_BUCKETS": "all", "LLM_PRICES": "list prices", "BATTCRM_MEDIA_DIR": "`media` in BATTCRM_HOME"}
    if name in special:
        return special[name]
    return "not set" if value is None or value == () else f"`{value}`"


PAGES: Final = {
    "docs/reference/metrics.md": metrics,
    "docs/reference/configuration.md": configuration,
    "docs/reference/unified-message.md": reference_umf.render,
    "docs/reference/commands.md": reference_commands.render,
}


def main() -> None:
    """Write the pages."""
    for path, render in PAGES.items():
        (ROOT / path).write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
