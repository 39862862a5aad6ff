"""A door that is overfull says so, in the words that make every platform come again."""

from __future__ import annotations

import asyncio
from typing import Any, cast
from uuid import UUID

import pytest

from battcrm.transport.accounts import ChannelDirectory, Connected
from battcrm.transport.base import ChannelAccount
from battcrm.transport.door import Door
from battcrm.transport.gateway import Gateway
from battcrm.transport.registry import kinds, manifest_of

CHANNEL = UUID(int=5)


class _Full:
    """A door behind which too many wait; it keeps nothing."""

    depth = 4001


class _One:
    """A directory with one channel."""

    def __init__(self, kind: str) -> None:
        account = ChannelAccount(UUID(int=1), CHANNEL, kind, "1", {"hook_key": "key"}, {})
        self._connected = Connected(account, "", "key", "active", None)

    async def find(self, channel_id: UUID) -> Connected | None:
        return self._connected if channel_id == CHANNEL else None


async def call(kind: str) -> tuple[int, dict[bytes, bytes]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    gateway = Gateway(cast("Door", _Full()), cast("ChannelDirectory", _One(kind)))
    scope = {
        "type": "http",
        "method": "POST",
        "path": f"/hook/{kind}/{CHANNEL}/key",
        "headers": [],
        "query_string": b"",
    }
    await gateway(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"])


@pytest.mark.parametrize("kind", [kind for kind in kinds() if manifest_of(kind).kind != "webchat"])
async def test_an_overfull_door_asks_to_come_again(kind: str) -> None:
    status, headers = await call(kind)
    assert status == 503
    assert int(headers[b"retry-after"]) >= 1
