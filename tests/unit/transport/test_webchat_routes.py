"""The web chat's door over real HTTP."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import uvicorn
from fastapi import FastAPI

from battcrm.infra.http import AioHttp
from battcrm.kit.clock import ManualClock
from battcrm.kit.errors import Transient
from battcrm.models.outgoing import OutButton
from battcrm.models.unified import UnifiedMessage
from battcrm.transport.base import ChannelAccount, HttpResponse
from battcrm.transport.webchat.ports import FeedItem
from battcrm.transport.webchat.routes import WebchatRoutes
from tests.support.waiting import PATIENCE

ACCOUNT = ChannelAccount(
    UUID(int=1),
    UUID(int=2),
    "webchat",
    "site",
    {"session_secret": "s3cret-for-tests"},
    {
        "shop_name": 'Починим <b>"всё"</b>',
        "phone": "+7 900 000-11-22",
        "embed_origins": ["https://shop.example", "x y"],
    },
)
AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@dataclass
class Shop:
    """The other side of the ports, in memory."""

    accepted: list[tuple[list[UnifiedMessage], bytes]] = field(default_factory=list)
    items: dict[str, list[FeedItem]] = field(default_factory=dict)
    failing: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def find(self, public_key: str) -> ChannelAccount | None:
        return ACCOUNT if public_key == "pub" else None

    async def accept(self, account: ChannelAccount, messages: list[UnifiedMessage], raw: bytes) -> None:
        if self.failing:
            raise Transient("database is away", retry_after=7)
        self.accepted.append((messages, raw))

    async def since(self, account: ChannelAccount, visitor_id: str, after: str | None, limit: int) -> list[FeedItem]:
        items = self.items.get(visitor_id, [])
        known = [i for i, item in enumerate(items) if item.id == after]
        return items[known[0] + 1 :][:limit] if known else items[-limit:]

    async def wait(self, account: ChannelAccount, visitor_id: str, timeout: float) -> None:
        self.news.clear()
        try:
            await asyncio.wait_for(self.news.wait(), timeout)
        except TimeoutError:
            return

    def say(self, visitor: str, ident: str, text: str, **more: Any) -> None:
        self.items.setdefault(visitor, []).append(FeedItem(ident, "shop", text, AT, **more))
        self.news.set()


@dataclass
class Site:
    url: str
    shop: Shop
    clock: ManualClock
    http: AioHttp

    async def call(self, method: str, path: str, token: str = "", **more: Any) -> HttpResponse:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers.update(more.pop("headers", {}))
        return await self.http.request(method, f"{self.url}/chat/pub{path}", headers=headers, **more)

    async def visitor(self) -> tuple[str, str]:
        made = json.loads((await self.call("POST", "/session")).body)
        return made["visitor_id"], made["token"]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    shop, clock = Shop(), ManualClock()
    routes = WebchatRoutes(shop, shop, shop, clock, heartbeat=0.05)
    app = FastAPI()
    app.include_router(routes.router())
    config = uvicorn.Config(app, port=0, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    async with AioHttp(allow_private=True) as http, asyncio.TaskGroup() as group:
        group.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn offers no event to wait for
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Site(f"http://127.0.0.1:{port}", shop, clock, http)
        routes.close()
        server.should_exit = True


def message(ident: str = "m1", **fields: Any) -> dict[str, Any]:
    return {"client_message_id": ident, "text": "привет", **fields}


async def test_session_is_kept_and_forgeries_get_a_new_visitor(site: Site) -> None:
    first = await site.call("POST", "/session")
    made = json.loads(first.body)
    assert first.status == 201
    again = await site.call("POST", "/session", made["token"])
    assert (again.status, json.loads(again.body)["visitor_id"]) == (200, made["visitor_id"])
    forged = await site.call("POST", "/session", made["token"][:-2] + "xx")
    assert (forged.status, json.loads(forged.body)["visitor_id"] != made["visitor_id"]) == (201, True)


async def test_message_is_accepted_with_the_visitor_of_the_token(site: Site) -> None:
    visitor, token = await site.visitor()
    answer = await site.call("POST", "/messages", token, json=message())
    assert (answer.status, json.loads(answer.body)) == (202, {"accepted": ["m1"]})
    ((messages, raw),) = site.shop.accepted
    assert (messages[0].conversation.id, messages[0].message.text) == (visitor, "привет")
    assert json.loads(raw)["visitor_id"] == visitor


async def test_refusals(site: Site) -> None:
    _, token = await site.visitor()
    cases: list[tuple[HttpResponse, int, str | None]] = [
        (await site.call("POST", "/messages", "", json=message()), 401, None),
        (await site.call("POST", "/messages", token, json=message(visitor_id="other")), 403, "visitor_id"),
        (await site.call("POST", "/messages", token, json=message(text="")), 422, "text"),
        (await site.call("POST", "/messages", token, raw=b"{"), 422, "body"),
        (await site.call("POST", "/messages", token, raw=b'{"text":"' + b"x" * 70_000 + b'"}'), 413, "body"),
        (await site.call("GET", "/history?limit=0", token), 422, "limit"),
        (await site.call("GET", "/history"), 401, None),
        (await site.call("GET", "/events"), 401, None),
        (await site.http.request("POST", f"{site.url}/chat/other/session"), 404, None),
    ]
    for answer, status, named in cases:
        assert answer.status == status
        assert json.loads(answer.body)["error"].get("field") == named
    assert site.shop.accepted == []


async def test_database_away_is_503_with_retry_after(site: Site) -> None:
    _, token = await site.visitor()
    site.shop.failing = True
    answer = await site.call("POST", "/messages", token, json=message())
    assert (answer.status, answer.headers["retry-after"]) == (503, "7")


async def test_flood_of_one_visitor_is_slowed_down_and_no_one_elses(site: Site) -> None:
    _, token = await site.visitor()
    _, other = await site.visitor()
    answers = [await site.call("POST", "/messages", token, json=message(f"m{n}")) for n in range(11)]
    assert [a.status for a in answers] == [202] * 10 + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert (await site.call("POST", "/messages", other, json=message())).status == 202
    site.clock.advance(1.1)
    assert (await site.call("POST", "/messages", token, json=message("late"))).status == 202


async def test_flood_from_one_address_is_slowed_down(site: Site) -> None:
    answers = [await site.call("POST", "/session") for _ in range(61)]
    assert [a.status for a in answers] == [201] * 60 + [429]


async def read_events(site: Site, token: str, count: int, last_id: str = "", event: str = "event: message") -> str:
    """Text of the stream until it holds `count` events."""
    host, port = site.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    resume = f"Last-Event-ID: {last_id}\r\n" if last_id else ""
    head = f"GET /chat/pub/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{resume}\r\n"
    writer.write(head.encode())
    text = ""
    try:
        async with asyncio.timeout(PATIENCE):
            while text.count(event) < count or not text.endswith("\n\n\r\n"):
                text += (await reader.read(65536)).decode()
    finally:
        writer.close()
        await writer.wait_closed()
    return text


async def test_events_arrive_live_and_resume_after_the_last_id(site: Site) -> None:
    visitor, token = await site.visitor()
    other, _ = await site.visitor()
    site.shop.say(other, "x1", "чужое")
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(read_events(site, token, 2))
        site.shop.say(visitor, "e1", "Замена — 24 900 ₽", buttons=(OutButton("Согласен", "ok"),))
        site.shop.say(visitor, "e2", "Ждём вас")
    text = reading.result()
    assert re.findall(r"^id: (\w+)$", text, re.MULTILINE) == ["e1", "e2"]
    assert "чужое" not in text
    first = json.loads(text.split("data: ")[1].split("\n")[0])
    assert first["buttons"] == [{"title": "Согласен", "payload": "ok", "kind": "reply", "url": None}]
    assert first["at"] == "2026-11-22T09:00:00.000Z"
    resumed = await read_events(site, token, 1, last_id="e1")
    assert re.findall(r"^id: (\w+)$", resumed, re.MULTILINE) == ["e2"]


async def test_silence_is_filled_with_heartbeats(site: Site) -> None:
    visitor, token = await site.visitor()
    filled = await read_events(site, token, 2, event=": still here")
    assert "event: message" not in filled
    site.shop.say(visitor, "e1", "поздно")
    assert "поздно" in await read_events(site, token, 1)


async def test_history_is_the_visitors_own(site: Site) -> None:
    visitor, token = await site.visitor()
    site.shop.say("other", "x", "чужое")
    site.shop.say(visitor, "e1", "раз")
    site.shop.say(visitor, "e2", "два")
    everything = json.loads((await site.call("GET", "/history", token)).body)["items"]
    assert [i["text"] for i in everything] == ["раз", "два"]
    later = json.loads((await site.call("GET", "/history?after=e1", token)).body)["items"]
    assert [i["text"] for i in later] == ["два"]


async def test_page_escapes_settings_and_runs_only_our_files(site: Site) -> None:
    answer = await site.call("GET", "", headers={"Accept-Language": "en-GB,ru;q=0.5"})
    html = answer.body.decode()
    assert '<html lang="en">' in html
    assert "<b>" not in html
    assert "Починим &lt;b&gt;&quot;всё&quot;&lt;/b&gt;" in html
    assert 'href="tel:+79000001122"' in html
    assert not re.search(r"<script(?![^>]*\ssrc=)|\son\w+=|\sstyle=|<style", html)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert policy.endswith("frame-ancestors 'self' https://shop.example")
    for name in re.findall(r'(?:href|src)="/chat/pub/assets/([^"]+)"', html):
        file = await site.call("GET", f"/assets/{name}")
        assert file.status == 200
        unchanged = await site.call("GET", f"/assets/{name}", headers={"If-None-Match": file.headers["etag"]})
        assert unchanged.status == 304
    assert (await site.call("GET", "/assets/chat.html")).status == 404
    assert (await site.call("GET", "/assets/..%2Fpage.py")).status == 404
    assert '<html lang="ru">' in (await site.call("GET", "")).body.decode()
