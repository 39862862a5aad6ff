"""Traces: one for each message, over all processes, and nothing at all where they are switched off.

Nothing is carried beside the work. The id of a message's trace follows from where the message stands in its messenger
(channel, chat, id), which every role knows, and the id of a span from its trace and its stage, so each process names its
parent without having met it (docs/adr/0008). Only replies and events take the ids of their traces along, inside the JSON
they already have. All processes therefore keep or leave out the same messages, too.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from battcrm.kit.errors import Invalid

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.export import SpanExporter

ROOT: Final = "gateway"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_REMEMBERED: Final = 20_000
_REMEDY: Final = "set console, file:PATH or the address of an OTLP collector such as http://127.0.0.1:4318"


def trace_of(channel_id: UUID, chat: str, message_id: str) -> str:
    """The 32 hex digits of a message's trace; the same in every process."""
    place = "\x1f".join((str(channel_id), chat, message_id))
    return hashlib.blake2b(place.encode("utf-8", "replace"), digest_size=16).hexdigest()


def span_of(trace: str, stage: str) -> int:
    """The id of the span that a stage has in a trace."""
    return int.from_bytes(hashlib.blake2b(f"{trace}/{stage}".encode(), digest_size=8).digest(), "big")


class Tracing:
    """The tracer of this process. `on` is false until `start`: ask it before anything else, that is all it costs."""

    def __init__(self) -> None:
        self.on = False
        self._processor: SpanProcessor | None = None
        self._share = 1.0
        self._bound: OrderedDict[UUID, tuple[str, ...]] = OrderedDict()

    def start(self, target: str, *, role: str, share: float = 1.0) -> None:
        """Export to `target`: `console`, `file:PATH` (JSON lines) or an OTLP collector's address. Invalid otherwise."""
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._resource = Resource.create({"service.name": "battcrm", "service.instance.id": role})
        self._processor = BatchSpanProcessor(exporter(target), schedule_delay_millis=500)
        self._share = share
        self.on = True

    def stop(self) -> None:
        """Hand over what is collected and trace no more."""
        self.on = False
        if self._processor is not None:
            self._processor.shutdown()
        self._processor = None
        self._bound.clear()

    def kept(self, trace: str) -> bool:
        """Is this trace among the share that is kept? The answer is the same everywhere."""
        return int(trace[:8], 16) < self._share * 0x1_0000_0000

    def bind(self, key: UUID, traces: Iterable[str]) -> None:
        """Remember whose work a row is, for events about it. Forgotten after 20,000 others."""
        found = tuple(traces)
        if found:
            self._bound[key] = found
            if len(self._bound) > _REMEMBERED:
                self._bound.popitem(last=False)

    def bound(self, key: UUID) -> tuple[str, ...]:
        """The traces bound to a row by this process; none if it did not make it."""
        return self._bound.get(key, ())

    def span(
        self,
        traces: Sequence[str],
        stage: str,
        begin: datetime,
        end: datetime,
        *,
        parent: str = ROOT,
        failed: bool = False,
        **attributes: str | int | float,
    ) -> None:
        """Record a finished stage in each of the traces, below the span of the stage `parent`."""
        for trace in traces:
            if self.kept(trace):
                self._record(trace, stage, parent, begin, end, attributes, failed=failed)

    def _record(
        self, trace: str, stage: str, parent: str, begin: datetime, end: datetime, attributes: Any, *, failed: bool
    ) -> None:
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import SpanContext, TraceFlags
        from opentelemetry.trace.status import Status, StatusCode

        def context(of: str) -> SpanContext:
            return SpanContext(int(trace, 16), span_of(trace, of), is_remote=False, trace_flags=TraceFlags(1))

        if self._processor is None:
            return
        self._processor.on_end(
            ReadableSpan(
                stage.partition(":")[0],
                context=context(stage),
                parent=context(parent) if stage != ROOT else None,
                resource=self._resource,
                attributes=attributes,
                status=Status(StatusCode.ERROR if failed else StatusCode.UNSET),
                start_time=_nanoseconds(begin),
                end_time=max(_nanoseconds(begin), _nanoseconds(end)),
            )
        )


TRACING: Final = Tracing()


def exporter(target: str) -> SpanExporter:
    """The exporter of a target. Invalid for anything else."""
    from battcrm.infra import tracing_export

    kind, _, rest = target.partition(":")
    if target == "console":
        return tracing_export.console()
    if kind == "file" and rest:
        return tracing_export.FileExporter(rest)
    if kind in ("http", "https") and rest.startswith("//"):
        return tracing_export.OtlpExporter(target)
    raise Invalid("BATTCRM_TRACES: expected a target for traces", field="BATTCRM_TRACES", remedy=_REMEDY)


def _nanoseconds(moment: datetime) -> int:
    return int((moment - _EPOCH).total_seconds() * 1_000_000) * 1000
