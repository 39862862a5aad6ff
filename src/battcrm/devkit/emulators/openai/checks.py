"""What the API refuses: unknown parameters, malformed messages, schemas outside the strict subset."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_PARAMETERS: Final = frozenset(
    {
        "model",
        "messages",
        "response_format",
        "temperature",
        "top_p",
        "n",
        "stream",
        "stop",
        "max_tokens",
        "max_completion_tokens",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "user",
        "seed",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "metadata",
        "store",
        "service_tier",
        "reasoning_effort",
        "verbosity",
        "prediction",
        "modalities",
        "audio",
        "stream_options",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "web_search_options",
    }
)
_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool"})
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Keywords that strict mode does not take; a client checks such bounds itself.
_UNSUPPORTED: Final = frozenset(
    {
        "allOf",
        "not",
        "dependentRequired",
        "dependentSchemas",
        "if",
        "then",
        "else",
        "patternProperties",
        "unevaluatedProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
        "unevaluatedItems",
        "contains",
        "minContains",
        "maxContains",
        "uniqueItems",
        "minLength",
        "maxLength",
    }
)
_MAX_DEPTH: Final = 10


class ApiError(Exception):
    """An error answer in the API's own shape."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}


def checked(body: Any) -> Mapping[str, Any]:
    """The request, if the API would take it; ApiError otherwise."""
    if not isinstance(body, dict):
        raise ApiError(400, "We could not parse the JSON body of your request.")
    for name in body:
        if name not in _PARAMETERS:
            raise ApiError(400, f"Unrecognized request argument supplied: {name}")
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise ApiError(400, "you must provide a model parameter")
    _messages(body.get("messages"))
    temperature = body.get("temperature", 1)
    if not isinstance(temperature, int | float) or not 0 <= temperature <= 2:
        raise ApiError(400, "Invalid 'temperature': expected a number from 0 to 2.", param="temperature")
    if body.get("stream"):
        raise ApiError(400, "This server does not stream.", code="unsupported_value", param="stream")
    _response_format(body.get("response_format"))
    return body


def _messages(messages: Any) -> None:
    if not isinstance(messages, list) or not messages:
        raise ApiError(
            400, "Missing required parameter: 'messages'.", code="missing_required_parameter", param="messages"
        )
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise ApiError(400, f"Invalid value: '{where}.role'.", code="invalid_value", param=f"{where}.role")
        if not isinstance(message.get("content"), str | list):
            raise ApiError(400, f"Invalid type for '{where}.content'.", code="invalid_type", param=f"{where}.content")


def _response_format(wanted: Any) -> None:
    if wanted is None:
        return
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind in ("text", "json_object"):
        return
    if kind != "json_schema":
        raise ApiError(400, "Invalid value: 'response_format.type'.", param="response_format.type")
    given = wanted.get("json_schema")
    if not isinstance(given, dict) or not _NAME.fullmatch(str(given.get("name", ""))):
        raise ApiError(400, "Invalid 'response_format.json_schema.name'.", param="response_format.json_schema.name")
    schema = given.get("schema")
    if not isinstance(schema, dict):
        raise ApiError(400, "Missing 'response_format.json_schema.schema'.", param="response_format.json_schema.schema")
    if given.get("strict"):
        if schema.get("type") != "object":
            raise _bad_schema(given["name"], (), "schema must be a JSON Schema of 'type: \"object\"'")
        _strict(str(given["name"]), schema, ())


def _strict(name: str, schema: Any, path: tuple[str, ...]) -> None:
    if not isinstance(schema, dict):
        raise _bad_schema(name, path, "expected a schema")
    if len(path) > 2 * _MAX_DEPTH:
        raise _bad_schema(name, path, "too deep")
    for keyword in schema:
        if keyword in _UNSUPPORTED:
            raise _bad_schema(name, path, f"'{keyword}' is not permitted")
    if schema.get("type") == "object" or "properties" in schema:
        _strict_object(name, schema, path)
    if "items" in schema:
        _strict(name, schema["items"], (*path, "items"))
    for inner in schema.get("anyOf", ()):
        _strict(name, inner, (*path, "anyOf"))


def _strict_object(name: str, schema: Mapping[str, Any], path: tuple[str, ...]) -> None:
    properties = schema.get("properties", {})
    if schema.get("additionalProperties") is not False:
        raise _bad_schema(name, path, "'additionalProperties' is required to be supplied and to be false")
    if set(schema.get("required", ())) != set(properties):
        raise _bad_schema(name, path, "'required' is required to be an array including every key in properties")
    for key, inner in properties.items():
        _strict(name, inner, (*path, "properties", key))


def _bad_schema(name: str, path: tuple[str, ...], problem: str) -> ApiError:
    return ApiError(
        400,
        f"Invalid schema for response_format '{name}': In context={path}, {problem}.",
        code="invalid_json_schema",
        param="response_format",
    )
