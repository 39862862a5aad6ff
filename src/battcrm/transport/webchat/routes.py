"""The web chat's HTTP door: session, messages, events, history and the page.

Errors are `{"error": {"code", "text", "field"?, "remedy"?}}`. The visitor's token travels in the Authorization header
only: addresses end up in logs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from battcrm.kit.clock import Clock
from battcrm.kit.errors import BattError, Invalid, OutcomeUnknown, Transient
from battcrm.kit.text import dumps
from battcrm.models.unified import rfc3339
from battcrm.transport import wire
from battcrm.transport.base import ChannelAccount
from battcrm.transport.limits import SendLimits
from battcrm.transport.webchat import page, tokens
from battcrm.transport.webchat.parse import parse
from battcrm.transport.webchat.ports import ChatAccounts, ChatDoor, ChatFeed, FeedItem

MAX_BODY: Final = 64 * 1024
HISTORY: Final = 100
HEARTBEAT: Final = 15.0
STREAMS_PER_VISITOR: Final = 6

Handler = Callable[[Request, ChannelAccount], Awaitable[Response]]


class _Refused(Exception):
    """An answer other than success."""

    def __init__(self, status: int, code: str, text: str, retry_after: float | None = None, **more: str) -> None:
        super().__init__(text)
        self.status, self.retry_after = status, retry_after
        self.error = {"code": code, "text": text} | {k: v for k, v in more.items() if v}


def peer_address(request: Request) -> str:
    """The other end of the connection; behind a proxy the composition passes its own function."""
    return request.client.host if request.client else "unknown"


class WebchatRoutes:
    """Handlers of one process. `heartbeat` in seconds; limits are a second's pause with a burst, per visitor and per
    address."""

    def __init__(
        self,
        accounts: ChatAccounts,
        door: ChatDoor,
        feed: ChatFeed,
        clock: Clock,
        *,
        heartbeat: float = HEARTBEAT,
        visitor_interval: float = 1.0,
        visitor_burst: int = 10,
        address_interval: float = 0.2,
        address_burst: int = 60,
        address_of: Callable[[Request], str] = peer_address,
    ) -> None:
        self._accounts, self._door, self._feed = accounts, door, feed
        self._heartbeat = heartbeat
        self._visitors = SendLimits(clock, rate=0, chat_interval=visitor_interval, chat_burst=visitor_burst)
        self._addresses = SendLimits(clock, rate=0, chat_interval=address_interval, chat_burst=address_burst)
        self._address_of = address_of
        self._streams: dict[str, int] = {}
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End every event stream (their pages reconnect elsewhere); call it before the server stops."""
        self._closing.set()

    def router(self) -> APIRouter:
        """Routes under /chat/{key}."""
        router = APIRouter(include_in_schema=False)
        for method, path, handler in (
            ("POST", "/chat/{key}/session", self._session),
            ("POST", "/chat/{key}/messages", self._messages),
            ("GET", "/chat/{key}/events", self._events),
            ("GET", "/chat/{key}/history", self._history),
            ("GET", "/chat/{key}/assets/{name}", self._asset),
            ("GET", "/chat/{key}", self._page),
        ):
            router.add_route(path, self._guarded(handler), methods=[method])
        return router

    def _guarded(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            try:
                account = await self._accounts.find(request.path_params["key"])
                if account is None:
                    raise _Refused(404, "unknown_chat", "there is no such chat")
                return await handler(request, account)
            except _Refused as refused:
                return _refusal(refused)
            except Invalid as error:
                return _refusal(_Refused(422, error.code, error.text, field=error.field, remedy=error.remedy))
            except (Transient, OutcomeUnknown) as error:
                # Resending is safe: the page repeats the same client_message_id.
                pause = error.retry_after if isinstance(error, Transient) and error.retry_after else 2.0
                return _refusal(_Refused(503, "unavailable", "the chat cannot store messages right now", pause))
            except BattError as error:
                return _refusal(_Refused(500, error.code, "the message was not accepted"))

        return handle

    async def _session(self, request: Request, account: ChannelAccount) -> Response:
        """A token: the given one if it is still good, else a new visitor."""
        self._slow_down(self._addresses, self._address_of(request))
        token = tokens.bearer(request.headers.get("authorization", ""))
        visitor = tokens.visitor_of(account, token) if token else None
        status = 200
        if visitor is None:
            visitor, status = tokens.new_visitor(), 201
        return _json({"visitor_id": visitor, "token": tokens.issue(account, visitor)}, status)

    async def _messages(self, request: Request, account: ChannelAccount) -> Response:
        visitor = _visitor(request, account)
        self._slow_down(self._addresses, self._address_of(request))
        self._slow_down(self._visitors, f"{account.channel_id}:{visitor}")
        document = wire.decode_object(await _body(request), "the web chat")
        if document.setdefault("visitor_id", visitor) != visitor:
            raise _Refused(403, "other_visitor", "the message names another visitor", field="visitor_id")
        raw = dumps(document)
        messages = parse(raw, account)
        if messages:
            await self._door.accept(account, messages, raw)
        return _json({"accepted": [m.message.id for m in messages]}, 202)

    async def _history(self, request: Request, account: ChannelAccount) -> Response:
        visitor = _visitor(request, account)
        self._slow_down(self._addresses, self._address_of(request))
        given = request.query_params.get("limit", str(HISTORY))
        if not (given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= HISTORY):
            raise Invalid(f"must be a number from 1 to {HISTORY}", field="limit", code="wrong_format")
        items = await self._feed.since(account, visitor, request.query_params.get("after"), int(given))
        return _json({"items": [item_document(i) for i in items]})

    async def _events(self, request: Request, account: ChannelAccount) -> Response:
        visitor = _visitor(request, account)
        self._slow_down(self._addresses, self._address_of(request))
        holder = f"{account.channel_id}:{visitor}"
        if self._streams.get(holder, 0) >= STREAMS_PER_VISITOR:
            raise _Refused(429, "too_many_streams", "too many open pages", 5.0)
        after = request.headers.get("last-event-id") or request.query_params.get("after")
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        stream = self._stream(account, visitor, holder, after)
        return StreamingResponse(stream, media_type="text/event-stream", headers=headers)

    async def _stream(
        self, account: ChannelAccount, visitor: str, holder: str, after: str | None
    ) -> AsyncIterator[bytes]:
        self._streams[holder] = self._streams.get(holder, 0) + 1
        try:
            yield b"retry: 2000\n\n"
            while not self._closing.is_set():
                items = await self._feed.since(account, visitor, after, HISTORY)
                for item in items:
                    after = item.id
                    yield (
                        b"id: " + item.id.encode() + b"\nevent: message\ndata: " + dumps(item_document(item)) + b"\n\n"
                    )
                if not items:
                    await self._feed.wait(account, visitor, self._heartbeat)
                    yield b": still here\n\n"
        except BattError:
            # The page reconnects with its last id; an error event would only repeat what the closed stream says.
            return
        finally:
            left = self._streams[holder] - 1
            if left:
                self._streams[holder] = left
            else:
                del self._streams[holder]

    async def _page(self, request: Request, account: ChannelAccount) -> Response:
        given = request.query_params.get("lang") or request.headers.get("accept-language", "")
        language = page.language_of(given)
        html = page.render(account, request.path_params["key"], language)
        return Response(html, media_type="text/html", headers=page.headers(account))

    async def _asset(self, request: Request, _: ChannelAccount) -> Response:
        found = page.asset(request.path_params["name"])
        if found is None:
            raise _Refused(404, "unknown_file", "there is no such file")
        headers = {"ETag": found.etag, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
        if request.headers.get("if-none-match") == found.etag:
            return Response(status_code=304, headers=headers)
        return Response(found.content, media_type=found.media_type, headers=headers)

    @staticmethod
    def _slow_down(limits: SendLimits, key: str) -> None:
        delay = limits.try_acquire(key)
        if delay > 0.0:
            raise _Refused(429, "rate_limited", "too many messages", delay)


def item_document(item: FeedItem) -> dict[str, Any]:
    """A feed item as the page reads it."""
    return {
        "id": item.id,
        "author": item.author,
        "name": item.name,
        "text": item.text,
        "at": rfc3339(item.at),
        "client_message_id": item.client_message_id,
        "buttons": [{"title": b.title, "payload": b.payload, "kind": b.kind, "url": b.url} for b in item.buttons],
        "attachments": list(item.attachments),
    }


def _visitor(request: Request, account: ChannelAccount) -> str:
    visitor = tokens.visitor_of(account, tokens.bearer(request.headers.get("authorization", "")))
    if visitor is None:
        raise _Refused(401, "unauthorized", "visitor token is missing or wrong")
    return visitor


async def _body(request: Request) -> bytes:
    chunks: list[bytes] = []
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > MAX_BODY:
            raise _Refused(413, "too_large", f"the message must have at most {MAX_BODY} bytes", field="body")
        chunks.append(chunk)
    return b"".join(chunks)


def _json(document: Any, status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(dumps(document), status, headers, "application/json")


def _refusal(refused: _Refused) -> Response:
    answer = _json({"error": refused.error}, refused.status)
    if refused.retry_after is not None:
        answer.headers["Retry-After"] = str(max(1, int(refused.retry_after + 0.999)))
    if refused.status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer
