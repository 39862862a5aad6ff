"""Speech to text: a port, and an adapter for servers that speak OpenAI's transcription API. Off unless asked for."""

from __future__ import annotations

from typing import Protocol

from battcrm.infra.redact import redact
from battcrm.kit.errors import AuthExpired, Permanent, RateLimited, Transient
from battcrm.kit.text import loads
from battcrm.transport import wire
from battcrm.transport.base import HttpClient


class Transcriber(Protocol):
    """Writes down what was said."""

    async def transcribe(self, content: bytes, mime: str, filename: str) -> str | None:
        """The words, None if there are none. Raises the kit.errors tree; nothing is retried here."""
        ...


class OpenAiTranscriber:
    """`POST {base_url}/audio/transcriptions`."""

    def __init__(
        self, http: HttpClient, base_url: str, api_key: str, *, model: str = "whisper-1", timeout: float = 60.0
    ) -> None:
        self._http = http
        self._url = base_url.rstrip("/") + "/audio/transcriptions"
        self._headers = {"Authorization": f"Bearer {api_key}"}
        self._model = model
        self._timeout = timeout

    async def transcribe(self, content: bytes, mime: str, filename: str) -> str | None:
        """See Transcriber."""
        answer = await self._http.request(
            "POST",
            self._url,
            form={"model": self._model, "response_format": "json"},
            files={"file": (filename, content, mime)},
            headers=self._headers,
            timeout=self._timeout,
            idempotent=True,
        )
        if answer.status in (401, 403):
            raise AuthExpired("the transcription key was refused", code="transcription_key")
        if answer.status == 429:
            raise RateLimited("the transcription server asks to slow down", code="transcription_rate")
        if answer.status >= 500:
            raise Transient(f"the transcription server answered {answer.status}", code="transcription_server")
        if answer.status != 200:
            detail = redact(answer.body[:200].decode("utf-8", "replace"))
            raise Permanent(f"the recording was refused: {detail}", code="transcription_refused")
        try:
            document = wire.obj(loads(answer.body))
        except ValueError:
            raise Transient("the transcription server's answer is no JSON", code="transcription_server") from None
        said = wire.text(document.get("text"))
        return said.strip() or None if said else None
