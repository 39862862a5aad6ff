"""Versioned prompts: text and answer schema, with a hash that names exactly what was asked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

import orjson

from battcrm.models.facts import REPAIR_TYPES, AppealType, PartOwner

CURRENT: Final = "extract_v1"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt version. `system` never changes within a version, so that providers can cache it as a prefix."""

    version: str
    system: str
    schema: dict[str, Any]
    digest: str

    @property
    def name(self) -> str:
        """Version with the hash of its contents, for decision records."""
        return f"{self.version}@{self.digest}"


@cache
def load_prompt(version: str = CURRENT) -> Prompt:
    """A prompt by its version; raises FileNotFoundError for one that was never shipped."""
    system = resources.files(__package__).joinpath(f"{version}.md").read_text("utf-8").strip()
    schema = _schema()
    digest = hashlib.sha256(system.encode() + orjson.dumps(schema, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
    return Prompt(version, system, schema, digest)


def _schema() -> dict[str, Any]:
    """Strict JSON schema of the answer: every key required, absence is null, nothing beyond it."""
    quote = {"type": "string", "maxLength": 200}
    nullable = {"type": ["string", "null"], "maxLength": 80}
    repair = _object({"type": {"type": "string", "enum": list(REPAIR_TYPES)}, "evidence": quote})
    item = _object(
        {
            "appeal_type": {"type": ["string", "null"], "enum": [*AppealType, None]},
            "appeal_evidence": quote,
            "brand": nullable,
            "model": nullable,
            "device_evidence": quote,
            "repair_types": {"type": "array", "items": repair, "maxItems": 8},
            "part_owner": {"type": ["string", "null"], "enum": [*PartOwner, None]},
            "part_evidence": quote,
        }
    )
    return _object({"items": {"type": "array", "items": item, "minItems": 1, "maxItems": 6}})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
