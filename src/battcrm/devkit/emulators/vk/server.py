"""The emulated VK: API, upload servers, callback deliveries and long poll."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aiohttp import web

from battcrm.devkit.emulators.base import Emulator, Fault, cut_connection, json_answer
from battcrm.devkit.emulators.delivery import Delivery, Target, WebhookQueue
from battcrm.devkit.emulators.vk import checks
from battcrm.devkit.emulators.vk.methods import METHODS, Call
from battcrm.devkit.emulators.vk.people import People
from battcrm.devkit.emulators.vk.state import VERSION, ApiError, Community, Server
from battcrm.infra.exchange import HttpResponse
from battcrm.infra.http import AioHttp
from battcrm.kit.clock import Clock
from battcrm.kit.errors import BattError
from battcrm.kit.text import dumps

PAUSE_AFTER: Final = 10
CALLBACK_TIMEOUT: Final = 10.0
_FAULTS: Final = {
    "rate_limited": (6, "Too many requests per second"),
    "flood": (9, "Flood control"),
    "daily_limit": (29, "Rate limit reached"),
    "captcha": (14, "Captcha needed"),
    "internal": (10, "Internal server error"),
    "keyboard": (912, "This is a chat bot feature, change this status in settings"),
    "too_long": (914, "Message is too long"),
    "no_access": (15, "Access denied"),
}


class VkEmulator(People, Emulator):
    """VK on loopback. Faults by method, community id and peer: see devkit/emulators/base.py and `_FAULTS`; for events
    the method is `event` with kinds `duplicate` and `out_of_order`.

    `open_chats`: anybody may be written to (load tests). `time_factor` scales the pauses between delivery attempts.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
        open_registration: bool = False,
        open_chats: bool = False,
        time_factor: float = 1.0,
    ) -> None:
        super().__init__(clock=clock, port=port, host=host)
        self.communities: dict[str, Community] = {}
        self._open_registration, self._open_chats = open_registration, open_chats
        self._time_factor = time_factor
        self._http = AioHttp(allow_private=True)
        self._handshakes: set[asyncio.Task[None]] = set()
        self.app.router.add_post("/method/{method}", self._call)
        self.app.router.add_post("/upload/{group}/{kind}", self._upload)
        self.app.router.add_get("/lp/{group}", self._poll)

    async def stop(self) -> None:
        """Stop deliveries, then the server."""
        for task in self._handshakes:
            task.cancel()
        await asyncio.gather(*self._handshakes, return_exceptions=True)
        for community in self.communities.values():
            community.news.set()
            for server in community.servers.values():
                if server.queue is not None:
                    await server.queue.close()
        await self._http.close()
        await super().stop()

    def add_community(self, token: str, group_id: int, name: str = "Сервис «Починим»") -> Community:
        """Register a community by its key."""
        community = self.communities[token] = Community(token, group_id, name, f"club{group_id}")
        return community

    def register(self, token: str, group_id: int, name: str = "Сервис «Починим»") -> dict[str, Any]:
        """`add_community` for the control API."""
        community = self.add_community(token, group_id, name)
        return {"id": community.id, "confirmation": community.confirmation}

    def configure(self, community: Community, server: Server) -> None:
        """Ask for the confirmation string in the background; deliveries begin once it is right."""
        task = asyncio.get_running_loop().create_task(self._handshake(community, server))
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    def remove(self, server: Server) -> None:
        """Stop delivering to a server."""
        if server.queue is not None:
            server.queue.retarget(Target())

    async def _handshake(self, community: Community, server: Server) -> None:
        server.status = "wait"
        body = {"type": "confirmation", "group_id": community.id, "event_id": "c" * 40, "v": VERSION}
        if server.secret_key:
            body["secret"] = server.secret_key
        headers = {"Content-Type": "application/json"}
        try:
            answer = await self._http.request(
                "POST", server.url, raw=dumps(body), headers=headers, timeout=CALLBACK_TIMEOUT
            )
        except BattError:
            server.status = "failed"
            return
        right = answer.status == 200 and answer.body == community.confirmation.encode()
        server.status = "ok" if right else "failed"
        if right:
            self._deliver_to(server)

    def _deliver_to(self, server: Server) -> None:
        """VK wants exactly `ok`; it counts its retries in a header and gives up on a server that keeps failing."""
        server.failures = 0
        target = Target(server.url, timeout=CALLBACK_TIMEOUT)
        if server.queue is not None:
            server.queue.retarget(target)
            return

        def accepted(answer: HttpResponse) -> bool:
            good = answer.status == 200 and answer.body == b"ok"
            server.failures = 0 if good else server.failures
            return good

        def failed(delivery: Delivery, _: str) -> None:
            delivery.headers["X-Retry-Counter"] = str(delivery.attempts)
            server.failures += 1
            if server.failures >= PAUSE_AFTER and server.queue is not None:
                server.status = "failed"
                server.queue.target = Target()

        server.queue = WebhookQueue(
            self._http, self.clock, target, time_factor=self._time_factor, accepted=accepted, failed=failed
        )

    async def _call(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        arguments = {str(name): str(value) for name, value in (await request.post()).items()} | dict(request.query)
        try:
            community = self._who(arguments)
            return await self._answer(request, community, method, arguments)
        except ApiError as error:
            return _refusal(error, method, arguments)

    def _who(self, arguments: dict[str, str]) -> Community:
        token, version = arguments.pop("access_token", ""), arguments.pop("v", "")
        if not token:
            raise ApiError(5, "User authorization failed: no access_token passed.")
        community = self.communities.get(token)
        if community is None and self._open_registration and arguments.get("group_id", "").isdigit():
            community = self.add_community(token, int(arguments["group_id"]))
        if community is None or community.revoked:
            raise ApiError(5, "User authorization failed: invalid access_token (4).")
        if not version:
            raise ApiError(8, "Invalid request: v (version) is required")
        return community

    async def _answer(
        self, request: web.Request, community: Community, method: str, arguments: dict[str, str]
    ) -> web.StreamResponse:
        if method not in METHODS:
            raise ApiError(3, "Unknown method passed")
        peer = arguments.get("peer_ids") or arguments.get("peer_id") or arguments.get("user_id") or ""
        fault = self.faults.take(method.lower(), str(community.id), peer)
        if fault is not None:
            early = await self._fault_before(community, fault)
            if early is not None:
                return early
        checks.known_parameters(method, arguments)
        result = METHODS[method](
            Call(community, arguments, fault, self.clock, self.log, self.url, self, self._open_chats)
        )
        if fault is not None and fault.kind == "lost_answer":
            return cut_connection(request)
        return json_answer({"response": result})

    async def _fault_before(self, community: Community, fault: Fault) -> web.Response | None:
        if fault.kind == "server_error":
            return web.Response(status=fault.status, body=b"<html>502 Bad Gateway</html>", content_type="text/html")
        if fault.kind == "revoked":
            community.revoked = True
            raise ApiError(5, "User authorization failed: access_token was revoked.")
        if fault.kind in _FAULTS:
            raise ApiError(*_FAULTS[fault.kind])
        if fault.kind == "slow":
            await self.clock.sleep(fault.seconds)
        elif fault.kind not in ("lost_answer", "blocked"):
            raise ApiError(10, f"Internal server error: unknown fault {fault.kind}")
        return None

    def _by_id(self, request: web.Request) -> Community:
        number = request.match_info["group"]
        found = next((c for c in self.communities.values() if str(c.id) == number), None)
        if found is None:
            raise web.HTTPNotFound
        return found

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        community, kind = self._by_id(request), request.match_info["kind"]
        part = (await request.post()).get("photo" if kind == "photo" else "file")
        fault = self.faults.take("upload", str(community.id), "")
        if not isinstance(part, web.FileField) or fault is not None:
            return json_answer({"error": "ERR_UPLOAD_BAD_FILE"})
        token = f"u{len(community.uploads)}-{community.last_file}"
        community.uploads[token] = (kind, part.filename, part.file.read())
        if kind == "photo":
            return json_answer({"server": 626627, "photo": token, "hash": f"h{token}"})
        return json_answer({"file": token})

    async def _poll(self, request: web.Request) -> web.StreamResponse:
        community, query = self._by_id(request), request.query
        if community.poll_broken:
            return json_answer({"failed": community.poll_broken})
        if query.get("act") != "a_check" or not query.get("ts", "").isdigit():
            return json_answer({"failed": 4})
        if query.get("key") != community.poll_key:
            return json_answer({"failed": 2})
        ts = int(query["ts"])
        oldest = community.history[0][0] if community.history else community.poll_ts + 1
        if ts > community.poll_ts or ts + 1 < min(oldest, community.poll_ts + 1):
            return json_answer({"failed": 1, "ts": str(community.poll_ts)})
        if ts == community.poll_ts:
            await self._news(community, min(float(query.get("wait", "25")), 90.0))
        updates: list[dict[str, Any]] = [event for number, event in community.history if number > ts]
        return json_answer({"ts": str(community.poll_ts), "updates": updates})

    async def _news(self, community: Community, seconds: float) -> None:
        community.news.clear()
        community.polling.set()
        try:
            await asyncio.wait_for(community.news.wait(), seconds)
        except TimeoutError:
            return
        finally:
            community.polling.clear()


def _refusal(error: ApiError, method: str, arguments: dict[str, str]) -> web.Response:
    given = [{"key": key, "value": value} for key, value in arguments.items()]
    params = [*given, {"key": "method", "value": method}, {"key": "oauth", "value": "1"}]
    return json_answer({"error": {"error_code": error.code, "error_msg": error.message, "request_params": params}})
