"""What the bridge must know about the other side: list, tasks, table, and where waiting executions are resumed."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from battcrm.kit.errors import Invalid

DEFAULT_QUEUE: Final = "ai_extraction_queue"
RESULTS: Final = "ai_extraction_result"
SHADOW: Final = "ai_extraction_shadow"
# Columns of the two default tables, and so the names that a mapping may use.
FIELDS: Final = (
    "tenant_id",
    "task_id",
    "queue",
    "appeal_type",
    "brand",
    "model",
    "device_class",
    "repair_types",
    "part_owner",
    "confidence",
    "methods",
    "hypotheses",
    "open_fields",
    "language",
    "wants_operator",
    "model_calls",
    "failed",
    "steps",
    "cost_microrub",
    "version",
    "received_at",
    "finished_at",
)
_TASK: Final = "task."
_LITERAL: Final = "="
# PostgreSQL cuts longer names without a word.
Name = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[^\x00]+$")]
Names = Annotated[tuple[str, ...], Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Side(StrEnum):
    """An end of a list."""

    LEFT = "left"
    RIGHT = "right"

    @property
    def other(self) -> Side:
        """The opposite end: who takes there takes the oldest first."""
        return Side.RIGHT if self is Side.LEFT else Side.LEFT


class TaskFields(_Part):
    """Where things stand in a task: the first name that is there wins, at the top or under `body`."""

    id: Names = ("id", "message_id", "task_id")
    tenant: Names = ("tenant_id", "tenant", "bot_key")
    text: Names = ("text", "message", "messages")
    resume_url: Names = ("resume_url", "resumeUrl")


class Write(StrEnum):
    """How a result reaches the table: a new row or the old one changed, or only rows that are there already."""

    UPSERT = "upsert"
    UPDATE = "update"


class ResultTable(_Part):
    """The table results are written to. `columns` maps its columns to result fields, `task.X` or `=literal`."""

    schema_name: Name = Field("public", alias="schema")
    table: Name = RESULTS
    write: Write = Write.UPSERT
    key: Annotated[tuple[Name, ...], Field(min_length=1)] = ("tenant_id", "task_id")
    columns: Annotated[dict[Name, str], Field(min_length=1)] = Field(default_factory=lambda: {n: n for n in FIELDS})

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for column, source in self.columns.items():
            if source not in FIELDS and not source.startswith((_TASK, _LITERAL)):
                raise ValueError(f"column {column}: {source!r} is no result field, task.NAME or =TEXT")
        for column in self.key:
            if column not in self.columns:
                raise ValueError(f"key column {column!r} is not among the columns")
        if self.write is Write.UPDATE and set(self.columns) == set(self.key):
            raise ValueError("an update needs a column beside the key")
        return self


class Resume(_Part):
    """Where a waiting execution may be resumed: exact hosts (`n8n.example`, `10.0.0.5:5678`) and path beginnings."""

    hosts: tuple[str, ...] = ()
    paths: Names = ("/webhook-waiting/",)


class QueueSettings(_Part):
    """The whole document. Every field has a default that fits n8n's own defaults and one shop."""

    queue: Annotated[str, Field(min_length=1, max_length=200)] = DEFAULT_QUEUE
    pushed: Side = Side.LEFT
    """The side n8n pushes to: its Redis node's default is the left (LPUSH); with "tail" it is the right."""
    tenant: str | None = None
    """Slug or id: whose tasks are those that name nobody, and who owns what cannot be read. Unset = the only tenant."""
    tenants: dict[str, str] = Field(default_factory=dict)
    """The other side's names of tenants, each with a slug or id of ours."""
    fields: TaskFields = Field(default_factory=TaskFields)
    result: ResultTable = Field(default_factory=ResultTable)
    resume: Resume = Field(default_factory=Resume)


def load_settings(path: Path | None, **overrides: Any) -> QueueSettings:
    """The settings of a YAML file (none = defaults); `overrides` that are not None win. Invalid names the wrong field."""
    document: Any = {}
    if path is not None:
        try:
            document = yaml.safe_load(path.read_text("utf-8")) or {}
        except OSError as error:
            raise Invalid(f"cannot read {path}: {error.strerror}", field=str(path)) from None
        except (yaml.YAMLError, UnicodeDecodeError):
            raise Invalid(f"{path} is not YAML", field=str(path), remedy="see docs/guides/n8n-bridge.md") from None
    if not isinstance(document, dict):
        raise Invalid("expected keys and values", field=str(path), remedy="see docs/guides/n8n-bridge.md")
    try:
        return QueueSettings.model_validate(document | {k: v for k, v in overrides.items() if v is not None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "settings"
        message = str(first["msg"]).removeprefix("Value error, ")
        raise Invalid(f"{where}: {message}", field=where, remedy="see docs/guides/n8n-bridge.md") from None
