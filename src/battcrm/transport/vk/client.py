"""VK's API over HTTP for one community."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from battcrm.kit.errors import Invalid, Permanent
from battcrm.kit.text import dumps, loads
from battcrm.models.unified import UnifiedMessage
from battcrm.transport import wire
from battcrm.transport.base import ChannelAccount, HttpClient
from battcrm.transport.vk.attachments import reference
from battcrm.transport.vk.errors import error_of, result_of
from battcrm.transport.vk.parse import from_history

BASE_URL: Final = "https://api.vk.ru"
API_VERSION: Final = "5.199"
UPLOAD_TIMEOUT: Final = 120.0
# What we read. VK sends an event only where its type is switched on, by webhook and by long poll alike.
EVENTS: Final = {
    "message_new": 1,
    "message_edit": 1,
    "message_reply": 1,
    "message_event": 1,
    "message_allow": 1,
    "message_deny": 1,
    "message_read": 1,
    "message_typing_state": 0,
}

File = tuple[str, bytes, str]


class VkApi:
    """Calls methods as one community; its key goes into the form of each call and nowhere else."""

    def __init__(self, account: ChannelAccount, http: HttpClient) -> None:
        """Raises Invalid if the account has no key."""
        self._token = account.secrets.get("token", "")
        if not self._token:
            raise Invalid("the community key is missing", field="token", remedy="Manage → API usage → Create key")
        self._base = (account.base_url or BASE_URL).rstrip("/")
        self.version = str(account.settings.get("api_version") or API_VERSION)
        self._account = account
        self._http = http

    async def call(
        self,
        method: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        timeout: float = 20.0,
        idempotent: bool = False,
    ) -> Any:
        """The method's `response`. None-valued arguments are left out. Errors: vk/errors.py, infra/http.py."""
        form = {name: _plain(value) for name, value in (arguments or {}).items() if value is not None}
        form |= {"access_token": self._token, "v": self.version}
        url = f"{self._base}/method/{method}"
        answer = await self._http.request("POST", url, form=form, timeout=timeout, idempotent=idempotent)
        return result_of(answer, idempotent=idempotent)

    async def upload(self, kind: str, peer_id: str, file: File) -> str:
        """Upload a photo, document or voice for one chat; the name to attach it by. Nothing is shown to anybody yet."""
        if kind == "photo":
            return await self._upload_photo(peer_id, file)
        place = "audio_message" if kind == "voice" else "doc"
        server = await self._server("docs.getMessagesUploadServer", {"type": place, "peer_id": peer_id})
        stored = await self._put(server, "file", file)
        saved = wire.obj(await self.call("docs.save", {"file": stored.get("file"), "title": file[0]}, idempotent=True))
        stored_as = wire.text(saved.get("type")) or place
        return _named(reference(stored_as, wire.obj(saved.get(stored_as))))

    async def _upload_photo(self, peer_id: str, file: File) -> str:
        server = await self._server("photos.getMessagesUploadServer", {"peer_id": peer_id})
        stored = await self._put(server, "photo", file)
        fields = {name: stored.get(name) for name in ("photo", "server", "hash")}
        saved = wire.objects(await self.call("photos.saveMessagesPhoto", fields, idempotent=True))
        return _named(reference("photo", saved[0]) if saved else None)

    async def _server(self, method: str, arguments: Mapping[str, Any]) -> str:
        given = wire.obj(await self.call(method, arguments, idempotent=True))
        url = wire.text(given.get("upload_url"))
        if url is None:
            raise Permanent("VK gave no address to upload to", code="upload_refused")
        return url

    async def _put(self, url: str, part: str, file: File) -> dict[str, Any]:
        answer = await self._http.request("POST", url, files={part: file}, timeout=UPLOAD_TIMEOUT, idempotent=True)
        try:
            stored = wire.obj(loads(answer.body))
        except (ValueError, RecursionError):
            stored = {}
        # The upload servers report refusals as {"error": "..."}, and an empty photo list is one too.
        if answer.status != 200 or stored.get(part) in (None, "", "[]"):
            raise Permanent("VK refused the file", code="file_refused")
        return stored

    async def hydrate(self, message: UnifiedMessage) -> UnifiedMessage | None:
        """The whole of a message whose event VK cropped, under the same dedup key; None if VK has it no longer."""
        arguments: dict[str, Any] = {"group_id": self._account.account_ref}
        if message.message.id:
            arguments["message_ids"] = message.message.id
            method = "messages.getById"
        else:
            method = "messages.getByConversationMessageId"
            arguments |= {"peer_id": message.conversation.id, "conversation_message_ids": message.message.seq}
        found = wire.objects(wire.obj(await self.call(method, arguments, idempotent=True)).get("items"))
        return from_history(found[0], self._account) if found else None


def sent_of(response: Any) -> dict[str, Any]:
    """The one element of a `peer_ids` answer; an error inside it is raised. A bare number is a message id."""
    if not isinstance(response, list):
        return {"message_id": response}
    item = wire.objects(response)[0] if wire.objects(response) else {}
    failure = wire.obj(item.get("error"))
    if failure:
        number = wire.whole(failure.get("code")) or wire.whole(failure.get("error_code"))
        raise error_of(number, wire.text(failure.get("description")) or wire.text(failure.get("error_msg")))
    return item


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return dumps(value).decode() if isinstance(value, dict | list) else str(value)


def _named(name: str | None) -> str:
    if name is None:
        raise Permanent("VK did not name the uploaded file", code="upload_refused")
    return name
