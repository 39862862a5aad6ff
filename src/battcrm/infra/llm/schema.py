"""The strict subset of JSON Schema: what may be sent, and whether an answer keeps to it.

Providers refuse bounds such as `maxLength` in strict mode, so they are left out of what is sent and checked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_OURS: Final = frozenset({"minLength", "maxLength"})
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def sendable(schema: Any) -> Any:
    """The schema without keywords that strict mode does not take. Property names are left alone."""
    if isinstance(schema, list):
        return [sendable(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        key: {name: sendable(part) for name, part in value.items()} if key == "properties" else sendable(value)
        for key, value in schema.items()
        if key not in _OURS
    }


def broken_at(value: Any, schema: Mapping[str, Any], path: str = "$") -> str | None:
    """Where the value breaks the schema, None when it keeps to it. Never repeats the value."""
    if "anyOf" in schema:
        return path if all(broken_at(value, option, path) for option in schema["anyOf"]) else None
    if not _typed(value, schema.get("type")):
        return path
    if "enum" in schema and value not in schema["enum"]:
        return path
    if isinstance(value, str):
        return None if len(value) <= schema.get("maxLength", len(value)) else path
    if isinstance(value, dict):
        return _broken_object(value, schema, path)
    if isinstance(value, list):
        return _broken_array(value, schema, path)
    return None


def _typed(value: Any, kind: str | list[str] | None) -> bool:
    if kind is None:
        return True
    kinds = [kind] if isinstance(kind, str) else kind
    if isinstance(value, bool):
        return "boolean" in kinds
    return any(isinstance(value, _TYPES[name]) for name in kinds if name != "boolean")


def _broken_object(value: dict[str, Any], schema: Mapping[str, Any], path: str) -> str | None:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            return f"{path}.{name}"
    for name, inner in value.items():
        if name in properties:
            found = broken_at(inner, properties[name], f"{path}.{name}")
        else:
            found = path if schema.get("additionalProperties") is False else None
        if found is not None:
            return found
    return None


def _broken_array(value: list[Any], schema: Mapping[str, Any], path: str) -> str | None:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        return path
    inner = schema.get("items")
    if inner is None:
        return None
    return next((found for i, part in enumerate(value) if (found := broken_at(part, inner, f"{path}[{i}]"))), None)
