"""The rule where the model would be: the same request always gets the same answer, and it keeps to the schema asked for.

It knows a few words of the trade, so that answers look like a model's; whatever it does not know it leaves empty.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from battcrm.kit.text import loads

Rules = tuple[tuple[str, re.Pattern[str]], ...]


def _rules(table: Mapping[str, str]) -> Rules:
    return tuple((value, re.compile(pattern, re.IGNORECASE)) for value, pattern in table.items())


_WISHES: Final = _rules(
    {
        "warranty": r"гаранти\w*|после (?:вашего|ремонта)[^.,!?]*|опять\s+\S+",
        "status": r"готов\w*|мой заказ|статус\w*",
        "sell": r"выкуп\w*|продать|трейд\S*",
        "purchase": r"купить|в наличии|продаете",
        "info": r"адрес\w*|до скольки|где вы|работаете",
        "repair": r"ремонт\w*|почин\w*|замен\w*|помен\w*|не \w+|разби\w*|сломал\w*|треснул\w*|чудит|глючит\w*",
    }
)
_REPAIRS: Final = _rules(
    {
        "screen": r"экран\w*|стекл\w*|диспле\w*|тач\w*",
        "battery": r"батаре\w*|аккум\w*|садится|акб",
        "charging_port": r"не заряжа\w*|разъ[её]м\w*|гнезд\w*",
        "water_damage": r"утоп\w*|вод[аыуе]\b|залил\w*",
        "no_power": r"не включа\w*|не запуска\w*",
        "camera": r"камер\w*",
        "speaker": r"динамик\w*|не слышно",
        "software": r"завис\w*|тормозит|глючит\w*|перезагруж\w*|чудит",
        "keyboard": r"клавиатур\w*|клавиш\w*",
        "cleaning": r"чистк\w*|гре\w*тся|шумит",
    }
)
_BRANDS: Final = _rules(
    {
        "Apple": r"айфон\w*|iphone|макбук\w*|macbook|ipad|айпад\w*",
        "Samsung": r"самсунг\w*|samsung|galaxy|гэлакси",
        "Xiaomi": r"ксиоми|сяоми|xiaomi|redmi|редми|poco|поко",
        "Honor": r"хонор\w*|honor",
        "Huawei": r"хуавей\w*|huawei",
        "Sony": r"плойк\w*|playstation|ps[45]",
    }
)
_OWNERS: Final = _rules(
    {"client": r"сво[йяею]\w* (?:запчаст\w*|экран\w*|деталь\w*)", "shop": r"ваш\w* (?:запчаст\w*|экран\w*)"}
)
_MODEL: Final = re.compile(
    r"(?:iphone|айфон|galaxy|redmi(?: note)?|poco|macbook)\s+[a-z]?\d{1,3}[a-z]?(?:\s+(?:pro max|pro|plus|mini|ultra|lite))?",
    re.IGNORECASE,
)


def answer_for(messages: Sequence[Mapping[str, Any]], schema: Mapping[str, Any] | None) -> Any:
    """The answer document. Without a schema: an object with a text."""
    spoken = next((m["content"] for m in reversed(messages) if m["role"] == "user"), "")
    data = _data(spoken if isinstance(spoken, str) else "")
    if schema is None:
        return {"text": "Понял вас."}
    document = _empty(schema)
    item = schema.get("properties", {}).get("items", {}).get("items", {})
    if isinstance(document, dict) and "appeal_type" in item.get("properties", {}):
        devices = max(1, len(data.get("read_by_rules") or ()))
        document["items"] = [_form(item, data) for _ in range(devices)][
            : schema["properties"]["items"].get("maxItems", 8)
        ]
    return document


def _data(content: str) -> dict[str, Any]:
    try:
        data = loads(content)
    except ValueError:
        data = None
    return data if isinstance(data, dict) else {"customer_messages": [content]}


def _form(item: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    text = "\n".join(str(part) for part in data.get("customer_messages") or ())
    wanted = set(data.get("open_fields") or ("appeal_type", "brand", "model", "repair_types", "part_owner"))
    form: dict[str, Any] = _empty(item)
    if "appeal_type" in wanted:
        form["appeal_type"], form["appeal_evidence"] = _first(_WISHES, text) or ("other", _longest_word(text))
    if wanted & {"brand", "model"}:
        model = _MODEL.search(text)
        form["brand"], quote = _first(_BRANDS, text) or (None, "")
        form["model"], form["device_evidence"] = (model[0], model[0]) if model else (None, quote)
    if "repair_types" in wanted:
        found = [(value, match[0]) for value, pattern in _REPAIRS if (match := pattern.search(text))]
        form["repair_types"] = [{"type": value, "evidence": quote} for value, quote in found[:3]]
    if "part_owner" in wanted:
        form["part_owner"], form["part_evidence"] = _first(_OWNERS, text) or (None, "")
    return form


def _first(rules: Rules, text: str) -> tuple[str, str] | None:
    for value, pattern in rules:
        if match := pattern.search(text):
            return value, match[0]
    return None


def _longest_word(text: str) -> str:
    return max(re.findall(r"\w+", text), key=len, default="")


def _empty(schema: Mapping[str, Any]) -> Any:
    """The emptiest value that a strict schema takes."""
    kinds = schema.get("type", "null")
    kind = "null" if "null" in kinds else kinds if isinstance(kinds, str) else kinds[0]
    if "anyOf" in schema:
        return _empty(schema["anyOf"][-1])
    if kind == "object":
        return {name: _empty(inner) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [_empty(schema["items"]) for _ in range(schema.get("minItems", 0))]
    if kind == "null":
        return None
    if "enum" in schema:
        return schema["enum"][0]
    return {"string": "", "boolean": False}.get(kind, schema.get("minimum", 0))
