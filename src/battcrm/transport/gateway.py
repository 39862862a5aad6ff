"""HTTP routes of the door: one unguessable path for each channel."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from battcrm.infra.telemetry import METRICS
from battcrm.kit.errors import Invalid, Transient
from battcrm.transport.accounts import ChannelDirectory, Connected
from battcrm.transport.base import Manifest, Reply, WebhookRequest
from battcrm.transport.door import Door
from battcrm.transport.registry import manifest_of

log = structlog.get_logger(__name__)
BODY_LIMIT: Final = 5 * 1024 * 1024
HARD_LIMIT: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Body:
    data: bytes
    too_large: bool


class Gateway:
    """Authenticate, parse, commit, and only then acknowledge."""

    def __init__(self, door: Door, channels: ChannelDirectory, *, max_waiting: int = 4000) -> None:
        self._door = door
        self._channels = channels
        self._max_waiting = max_waiting

    def routes(self) -> list[Route]:
        """`/hook/{kind}/{channel}/{key}` for GET (handshakes) and POST."""
        return [Route("/hook/{kind}/{channel}/{key}", self.hook, methods=["GET", "POST"])]

    async def hook(self, request: Request) -> Response:
        """One webhook call. Never a 500: what cannot be read is kept, what cannot be kept is refused with a retry."""
        kind = request.path_params["kind"]
        try:
            reply = await self._handle(request, kind)
        except Transient as error:
            METRICS.webhooks.labels(kind, "unavailable").inc()
            return Response(status_code=503, headers={"Retry-After": str(int(error.retry_after or 1))})
        except ClientDisconnect:
            METRICS.webhooks.labels(kind, "disconnected").inc()
            return Response(status_code=400)
        METRICS.webhooks.labels(kind, str(reply.status)).inc()
        return Response(reply.body, reply.status, media_type=reply.content_type)

    async def _handle(self, request: Request, kind: str) -> Reply:
        connected = await self._find(kind, request.path_params["channel"], request.path_params["key"])
        if connected is None:
            return Reply(404, b'{"error":"unknown channel"}')
        if self._door.depth > self._max_waiting:
            raise Transient("the door is overloaded", code="overload", retry_after=2)
        manifest = manifest_of(connected.account.kind)
        body = await _read(request)
        envelope = WebhookRequest(
            request.method,
            request.path_params["key"],
            request.query_params,
            {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in request.scope["headers"]},
            body.data,
        )
        if body.too_large:
            return await self._oversize(manifest, connected, envelope)
        return await self._accept(manifest, connected, envelope)

    async def _accept(self, manifest: Manifest, connected: Connected, request: WebhookRequest) -> Reply:
        account = connected.account
        try:
            verdict = manifest.verify(request, account)
        except Invalid:
            return await self._unreadable(manifest, connected, request.body, "unreadable")
        if verdict.immediate is not None:
            return verdict.immediate
        if not verdict.ok:
            METRICS.rejected.labels(account.kind, verdict.reason or "authenticity").inc()
            return Reply(401, b"")
        try:
            messages = manifest.parse(request.body, account)
        except Invalid as error:
            return await self._unreadable(manifest, connected, request.body, error.text)
        except Exception as error:  # noqa: BLE001 - a parser's bug must not cost the platform's queue (A4)
            log.error("parse.failed", channel_id=str(account.channel_id), error=type(error).__name__)
            await self._door.bury(account, request.body, f"parser failed: {type(error).__name__}")
            return manifest.accepted
        await self._door.accept(account, messages, request.body)
        return manifest.accepted

    async def _unreadable(self, manifest: Manifest, connected: Connected, body: bytes, reason: str) -> Reply:
        METRICS.rejected.labels(connected.account.kind, "unreadable").inc()
        if manifest.secret_in_body:
            return Reply(400, b'{"error":"unreadable body"}')
        await self._door.bury(connected.account, body, reason)
        return manifest.accepted

    async def _oversize(self, manifest: Manifest, connected: Connected, request: WebhookRequest) -> Reply:
        """Header authentication is checked on what was read; a secret inside such a body cannot be (A4)."""
        METRICS.rejected.labels(connected.account.kind, "oversize").inc()
        if manifest.secret_in_body:
            return Reply(400, b'{"error":"body too large"}')
        verdict = manifest.verify(request, connected.account)
        if not verdict.ok:
            return Reply(401, b"")
        await self._door.bury(connected.account, request.body, "body over 5 MB")
        return manifest.accepted

    async def _find(self, kind: str, channel: str, key: str) -> Connected | None:
        try:
            channel_id = UUID(channel)
        except ValueError:
            return None
        connected = await self._channels.find(channel_id)
        if connected is None or connected.account.kind != kind or connected.state == "disabled":
            return None
        if not hmac.compare_digest(connected.hook_key.encode(), key.encode("utf-8", "surrogatepass")):
            return None
        return connected


async def _read(request: Request) -> _Body:
    """The body up to 5 MB; of a larger one the whole is read (bounded at 32 MB), so that its digest can be kept."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= HARD_LIMIT:
            chunks.append(chunk)
    return _Body(b"".join(chunks), size > BODY_LIMIT)
