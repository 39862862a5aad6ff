"""Plans beside plans: the same kind of calls in chats of their own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import orjson

from battcrm.devkit.bench.plan import Call

SPACING = 100_000_000


def shifted(calls: Iterable[Call], by: int) -> list[Call]:
    """The calls in chats (and people, and updates) whose numbers are higher by `by`: no other plan has them."""
    return [_shifted(call, by) for call in calls]


def _shifted(call: Call, by: int) -> Call:
    body = orjson.loads(call.body)
    body["update_id"] += by
    body["message"]["chat"]["id"] += by
    body["message"]["from"]["id"] += by
    return replace(call, chat=call.chat + by, body=orjson.dumps(body))
