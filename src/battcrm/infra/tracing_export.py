"""Where spans go: a file of JSON lines, the console, or an OTLP collector in the JSON encoding, over plain HTTP.

Exporters run in the SDK's own thread and may block it. What a collector does not take is dropped and counted by it,
never kept: a trace is a help, and no message waits for it.
"""

from __future__ import annotations

import http.client
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter, SpanExportResult

_TIMEOUT: Final = 5.0


def console() -> SpanExporter:
    """One JSON document a line on standard error; standard output belongs to results."""
    return ConsoleSpanExporter(out=sys.stderr, formatter=lambda span: orjson.dumps(line_of(span)).decode() + "\n")


def line_of(span: ReadableSpan) -> dict[str, Any]:
    """A span as a line of a file: ids in hex, times in nanoseconds since 1970, the process it was recorded in."""
    context, parent = span.context, span.parent
    if context is None:
        return {}
    return {
        "trace": f"{context.trace_id:032x}",
        "span": f"{context.span_id:016x}",
        "parent": f"{parent.span_id:016x}" if parent else None,
        "name": span.name,
        "role": span.resource.attributes.get("service.instance.id"),
        "begin": span.start_time,
        "end": span.end_time,
        "attributes": dict(span.attributes or {}),
    }


class FileExporter(SpanExporter):
    """Appends lines to a file that several processes may share: each batch is one write."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write a batch."""
        os.write(self._file, b"".join(orjson.dumps(line_of(span)) + b"\n" for span in spans))
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Close the file."""
        os.close(self._file)


class OtlpExporter(SpanExporter):
    """Posts to `<address>/v1/traces` (OTLP 1.x, JSON encoding); FAILURE when the collector does not answer with 2xx."""

    def __init__(self, address: str) -> None:
        self._parts = urlsplit(address.rstrip("/"))

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch over a connection of its own."""
        secure = self._parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(self._parts.hostname or "127.0.0.1", self._parts.port, timeout=_TIMEOUT)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", f"{self._parts.path}/v1/traces", orjson.dumps(document(spans)), headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return SpanExportResult.FAILURE
        finally:
            connection.close()
        return SpanExportResult.SUCCESS if 200 <= status < 300 else SpanExportResult.FAILURE


def document(spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    """An ExportTraceServiceRequest. All spans of a process have one resource."""
    resource = spans[0].resource.attributes if spans else {}
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(resource)},
                "scopeSpans": [{"scope": {"name": "battcrm"}, "spans": [_span(span) for span in spans]}],
            }
        ]
    }


def _span(span: ReadableSpan) -> dict[str, Any]:
    line = line_of(span)
    found = {
        "traceId": line["trace"],
        "spanId": line["span"],
        "name": line["name"],
        "kind": 1,
        "startTimeUnixNano": str(line["begin"]),
        "endTimeUnixNano": str(line["end"]),
        "attributes": _attributes(line["attributes"]),
        "status": {"code": span.status.status_code.value},
    }
    return found | ({"parentSpanId": line["parent"]} if line["parent"] else {})


def _attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": str(value)}
