"""Fetching customers' files before their links expire, as due-work of its own: never in the way of an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog

from battcrm.infra.due import Claim
from battcrm.kit.clock import Clock
from battcrm.kit.errors import AuthExpired, BattError, Invalid, Permanent, Transient
from battcrm.models.unified import Attachment, Content, Conversation, Kind, UnifiedMessage
from battcrm.transport.accounts import ChannelDirectory, Connected
from battcrm.transport.base import FetchedFile, HttpClient, Manifest
from battcrm.transport.downloads import fetch
from battcrm.transport.media import MediaStore
from battcrm.transport.media_rows import MediaRows
from battcrm.transport.media_transcribe import Transcriber
from battcrm.transport.media_types import BINARY, acceptable, is_markup, sniff
from battcrm.transport.registry import manifest_of

log = structlog.get_logger(__name__)
MOST: Final = 50 * 1024 * 1024
ATTEMPTS: Final = 7
_PATIENCE: Final = timedelta(days=7)
_CREDENTIALS_PAUSE: Final = timedelta(minutes=5)
_SPOKEN: Final = frozenset({"voice", "audio"})
_NAMES: Final = {
    "audio/ogg": "voice.ogg",
    "audio/mpeg": "voice.mp3",
    "audio/mp4": "voice.m4a",
    "video/mp4": "voice.mp4",
}
TranscriberOf = Callable[[Connected], Transcriber | None]


@dataclass(frozen=True, slots=True)
class MediaResult:
    """What became of a file: `stored` (with hash, type and size), `refused` (too large, not what it claims to be) or
    `broken` (gone, or never reached)."""

    state: str
    sha256: str | None = None
    mime: str | None = None
    size: int | None = None
    reason: str | None = None
    transcript: str | None = None

    def document(self) -> dict[str, Any]:
        """The fields that go into the message's attachment."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not None}


class MediaFetcher:
    """The handler of due-work of kind `media`; its payload is written by pipeline/intake_work.py."""

    def __init__(
        self,
        rows: MediaRows,
        store: MediaStore,
        channels: ChannelDirectory,
        clock: Clock,
        http_for: Callable[[Connected], HttpClient],
        *,
        transcriber_of: TranscriberOf | None = None,
        most: int = MOST,
    ) -> None:
        self._rows = rows
        self._store = store
        self._channels = channels
        self._clock = clock
        self._http_for = http_for
        self._transcriber_of = transcriber_of
        self._most = most

    async def handle(self, claim: Claim) -> datetime | None:
        """Fetch one file and note the result at its message; a time to come back while credentials are refused."""
        payload: dict[str, Any] = claim.row["payload"]
        known: dict[str, Any] | None = payload.get("result")
        if known is None:
            result = await self._result(claim, payload)
            if result is None:
                return self._clock.now() + _CREDENTIALS_PAUSE
            known = result.document()
        await self._rows.record(claim, known)
        return None

    async def _result(self, claim: Claim, payload: dict[str, Any]) -> MediaResult | None:
        """None while the channel's credentials are refused: the file may still be there when they are renewed."""
        connected = await self._channels.find(UUID(payload["channel_id"]))
        if connected is None or connected.state == "removed":
            return MediaResult("broken", reason="channel_removed")
        try:
            return await self._fetch(claim, connected, _attachment(payload["attachment"]), payload)
        except AuthExpired:
            if self._clock.now() - claim.row["created_at"] < _PATIENCE:
                return None
            return MediaResult("broken", reason="credentials")
        except Permanent as error:
            refused = error.code == "file_too_big"
            return MediaResult("refused" if refused else "broken", reason=error.code)
        except Invalid as error:
            return MediaResult("refused", reason="file_too_big" if error.code == "too_large" else error.code)
        except BattError as error:
            if claim.attempts >= ATTEMPTS:
                return MediaResult("broken", reason=error.code)
            pause = getattr(error, "retry_after", None) or 3.0**claim.attempts
            raise Transient(error.text, code=error.code, retry_after=pause) from None

    async def _fetch(
        self, claim: Claim, connected: Connected, attachment: Attachment, payload: dict[str, Any]
    ) -> MediaResult:
        manifest = manifest_of(connected.account.kind)
        most = min(manifest.capabilities.max_file_in or self._most, self._most)
        if attachment.size is not None and attachment.size > most:
            return MediaResult("refused", size=attachment.size, reason="file_too_big")
        http = self._http_for(connected)
        try:
            file = await _get(manifest, connected, http, attachment, most)
        except Permanent as error:
            fresh = await self._renewed(claim, manifest, connected, http, attachment, payload)
            if fresh is None or error.code == "file_too_big":
                raise
            file = await _get(manifest, connected, http, fresh, most)
        return await self._keep(claim.tenant_id, connected, attachment, file)

    async def _renewed(
        self,
        claim: Claim,
        manifest: Manifest,
        connected: Connected,
        http: HttpClient,
        attachment: Attachment,
        payload: dict[str, Any],
    ) -> Attachment | None:
        """The attachment with a fresh address, where the platform gives one with the message read again."""
        place = await self._rows.whereabouts(claim.tenant_id, UUID(payload["message_id"]))
        if manifest.hydrator is None or attachment.ref is None or place is None:
            return None
        named = bare_message(connected, *place)
        whole = await manifest.hydrator(connected.account, http).hydrate(named)
        found = whole.message.attachments if whole is not None else ()
        fresh = next((item for item in found if item.ref == attachment.ref), None)
        return fresh if fresh is not None and fresh.url != attachment.url else None

    async def _keep(
        self, tenant_id: UUID, connected: Connected, attachment: Attachment, file: FetchedFile
    ) -> MediaResult:
        mime, size = sniff(file.content), len(file.content)
        if not size:
            return MediaResult("broken", reason="empty_file")
        if not acceptable(attachment.kind, mime):
            return MediaResult("refused", mime=mime, size=size, reason="wrong_type")
        sha256 = await self._store.put(tenant_id, file.content)
        if mime == "text/plain" and is_markup(file.content):
            mime = BINARY
        transcript = await self._words(connected, attachment, file.content, mime)
        return MediaResult("stored", sha256, mime, size, transcript=transcript)

    async def _words(self, connected: Connected, attachment: Attachment, content: bytes, mime: str) -> str | None:
        """What was said, where transcription is on. A failure leaves the voice message as it is."""
        transcriber = self._transcriber_of(connected) if self._transcriber_of else None
        if transcriber is None or attachment.kind not in _SPOKEN or attachment.transcript:
            return None
        try:
            return await transcriber.transcribe(content, mime, _NAMES.get(mime, "voice.bin"))
        except BattError as error:
            log.warning("transcription.failed", channel_id=str(connected.account.channel_id), code=error.code)
            return None


async def _get(
    manifest: Manifest, connected: Connected, http: HttpClient, attachment: Attachment, most: int
) -> FetchedFile:
    if manifest.files is not None:
        file = await manifest.files(connected.account, http).fetch(attachment, most)
    elif attachment.url:
        file = FetchedFile((await fetch(http, attachment.url, most)).body, attachment.mime, attachment.filename)
    else:
        raise Permanent("the attachment has no file", code="no_file")
    if len(file.content) > most:
        raise Permanent("the file is too large", code="file_too_big")
    return file


def bare_message(connected: Connected, chat: str, external_id: str | None, seq: str | None) -> UnifiedMessage:
    """A message by its names alone: what a Hydrator needs to read it again."""
    account = connected.account
    return UnifiedMessage(
        channel=account.kind,
        account_ref=account.account_ref,
        dedup_key="",
        kind=Kind.MESSAGE,
        conversation=Conversation(chat),
        message=Content(external_id, seq, truncated=True),
        channel_id=account.channel_id,
    )


def _attachment(stored: dict[str, Any]) -> Attachment:
    """The attachment again from the message's content; times are not needed to fetch it."""
    names = {f.name for f in fields(Attachment)} - {"url_expires_at", "phones"}
    return replace(Attachment(stored["kind"]), **{k: v for k, v in stored.items() if k in names})
