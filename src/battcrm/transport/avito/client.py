"""Avito's API over HTTP for one account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote

from battcrm.kit.clock import Clock, SystemClock
from battcrm.kit.errors import Permanent
from battcrm.models.unified import Context, Conversation, UnifiedMessage
from battcrm.transport import wire
from battcrm.transport.avito.errors import result_of
from battcrm.transport.avito.parse import context_of, name_of
from battcrm.transport.avito.tokens import Tokens
from battcrm.transport.base import ChannelAccount, HttpClient

BASE_URL: Final = "https://api.avito.ru"
UPLOAD_TIMEOUT: Final = 120.0
PAGE: Final = 100
LAST_OFFSET: Final = 1000

File = tuple[str, bytes, str]


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat as Avito describes it; `customer_*` is who is not us."""

    id: str
    customer_id: str | None
    customer_name: str | None
    ad: Context | None
    updated: int
    raw: dict[str, Any]


class AvitoApi:
    """Calls of one account; the token goes into the Authorization header and nowhere else."""

    def __init__(
        self,
        account: ChannelAccount,
        http: HttpClient,
        *,
        clock: Clock | None = None,
    ) -> None:
        """Raises Invalid if the account has no key."""
        self._base = (account.base_url or BASE_URL).rstrip("/")
        self.tokens = Tokens(account, http, self._base, clock or SystemClock())
        self._account = account
        self._http = http

    @property
    def account(self) -> ChannelAccount:
        """The account these calls are made for."""
        return self._account

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        files: Mapping[str, File] | None = None,
        timeout: float = 20.0,
        idempotent: bool = False,
        in_chat: bool = False,
    ) -> Any:
        """The decoded answer. A refused token is renewed once: a refusal means that nothing was done."""
        for attempt in (1, 2):
            token = await self.tokens.get()
            answer = await self._http.request(
                method,
                self._base + path,
                headers={"Authorization": f"Bearer {token}"},
                json=json,
                params=params,
                files=files,
                timeout=timeout,
                idempotent=idempotent,
            )
            if answer.status != 401:
                break
            self.tokens.drop(token)
            if attempt == 2:
                break
        return result_of(answer, idempotent=idempotent, in_chat=in_chat)

    async def whoami(self) -> dict[str, Any]:
        """The account that owns the key."""
        return wire.obj(await self.call("GET", "/core/v1/accounts/self", timeout=10.0, idempotent=True))

    async def in_chat(self, method: str, chat_id: str, rest: str, *, json: Any = None, timeout: float = 20.0) -> Any:
        """A writing call of messenger v1 about one chat."""
        path = f"{self._chats(1)}/{segment(chat_id)}/{rest}"
        return await self.call(method, path, json=json, timeout=timeout, in_chat=True)

    async def read(self, chat_id: str) -> None:
        """Mark the chat as read; reading its history does not."""
        path = f"{self._chats(1)}/{segment(chat_id)}/read"
        await self.call("POST", path, timeout=5.0, idempotent=True, in_chat=True)

    async def chat(self, chat_id: str) -> Chat:
        """One chat: the customer's name, the ad's title, address and price. Permanent (`recipient_gone`) if there is none."""
        path = f"{self._chats(2)}/{segment(chat_id)}"
        return self._described(wire.obj(await self.call("GET", path, timeout=10.0, idempotent=True, in_chat=True)))

    async def chats(self, *, unread_only: bool = True) -> list[Chat]:
        """All chats about ads and profiles that Avito lists (at most 1100), unread ones only unless told otherwise."""
        found: list[Chat] = []
        for offset in range(0, LAST_OFFSET + 1, PAGE):
            params = {
                "unread_only": "true" if unread_only else "false",
                "chat_types": "u2i,u2u",
                "limit": str(PAGE),
                "offset": str(offset),
            }
            answer = await self.call("GET", self._chats(2), params=params, idempotent=True)
            page = wire.objects(wire.obj(answer).get("chats"))
            found += [self._described(item) for item in page if wire.ident(item.get("id"))]
            if len(page) < PAGE:
                break
        return found

    async def messages(self, chat_id: str, *, offset: int = 0) -> list[dict[str, Any]]:
        """A page of a chat's history, newest first in practice. The wire wraps it in an object, the documents do not."""
        path = f"{self._chats(3)}/{segment(chat_id)}/messages/"
        params = {"limit": str(PAGE), "offset": str(offset)}
        return messages_of(await self.call("GET", path, params=params, idempotent=True, in_chat=True))

    async def upload_image(self, file: File) -> str:
        """The id of an uploaded picture. Nothing is shown to anybody yet."""
        path = f"/messenger/v1/accounts/{self._account.account_ref}/uploadImages"
        answer = await self.call("POST", path, files={"uploadfile[]": file}, timeout=UPLOAD_TIMEOUT, idempotent=True)
        image = next((name for name in wire.obj(answer) if name), None)
        if image is None:
            raise Permanent("Avito did not name the uploaded picture", code="file_refused")
        return image

    async def voice_url(self, voice_id: str) -> str:
        """Where a voice message can be fetched for an hour."""
        path = f"/messenger/v1/accounts/{self._account.account_ref}/getVoiceFiles"
        answer = await self.call("GET", path, params={"voice_ids": voice_id}, idempotent=True)
        url = wire.text(wire.obj(wire.obj(answer).get("voices_urls")).get(voice_id))
        if url is None:
            raise Permanent("Avito has no address for the voice message", code="no_file")
        return url

    async def hydrate(self, message: UnifiedMessage) -> UnifiedMessage:
        """The message with what its webhook lacks: the customer's name and the ad's title, address and price."""
        chat = await self.chat(message.conversation.id)
        kind = "ad" if chat.ad else message.conversation.type
        place = Conversation(message.conversation.id, kind, chat.ad or message.conversation.context)
        name = name_of(chat.raw, message.sender.id) or message.sender.display_name
        return replace(message, conversation=place, sender=replace(message.sender, display_name=name))

    def _chats(self, version: int) -> str:
        return f"/messenger/v{version}/accounts/{self._account.account_ref}/chats"

    def _described(self, chat: dict[str, Any]) -> Chat:
        people = [wire.ident(person.get("id")) for person in wire.objects(chat.get("users"))]
        customer = next((person for person in people if person and person != self._account.account_ref), None)
        return Chat(
            id=wire.ident(chat.get("id")) or "",
            customer_id=customer,
            customer_name=name_of(chat, customer),
            ad=context_of(chat),
            updated=wire.whole(chat.get("updated")) or wire.whole(chat.get("created")) or 0,
            raw=chat,
        )


def messages_of(answer: Any) -> list[dict[str, Any]]:
    """The messages of a history answer in either of its two shapes."""
    return wire.objects(answer if isinstance(answer, list) else wire.obj(answer).get("messages"))


def segment(value: str) -> str:
    """A chat's id as one segment of a path; Avito wants even `~` encoded."""
    return quote(value, safe="").replace("~", "%7E")
