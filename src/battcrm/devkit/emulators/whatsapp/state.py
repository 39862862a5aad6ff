"""What the emulated WhatsApp knows: numbers, people, messages, media, events on their way."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any

from battcrm.devkit.emulators.delivery import Delivery, WebhookQueue
from battcrm.kit.text import dumps


class GraphError(Exception):
    """An answer with `error`, in Graph's shape."""

    def __init__(
        self, code: int, message: str, *, status: int = 400, details: str = "", kind: str = "OAuthException"
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.details, self.kind = code, message, status, details, kind

    def fresh(self) -> GraphError:
        """A new one of the same kind: a raised exception keeps its traceback."""
        return GraphError(self.code, self.message, status=self.status, details=self.details, kind=self.kind)

    def document(self) -> dict[str, Any]:
        """The `error` object."""
        text = f"(#{self.code}) {self.message}" if self.code not in (0, 190) else self.message
        error: dict[str, Any] = {"message": text, "type": self.kind, "code": self.code}
        if self.details:
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        return {"error": error | {"fbtrace_id": "EmulatedTrace"}}

    def as_webhook(self) -> dict[str, Any]:
        """The same error inside a status."""
        data = {"details": self.details or self.message}
        return {"code": self.code, "title": self.message, "message": self.message, "error_data": data}


@dataclass(slots=True)
class Person:
    """A customer of one number; `wa_id` is empty for somebody who hides the phone behind a username."""

    wa_id: str
    user_id: str | None
    name: str
    last_word: float | None = None
    free_until: float | None = None
    blocked: bool = False

    @property
    def chat(self) -> str:
        """How the log names the person: the business-scoped id where there is one."""
        return self.user_id or self.wa_id

    def card(self) -> dict[str, Any]:
        """The element of `contacts`."""
        card: dict[str, Any] = {"profile": {"name": self.name}}
        if self.wa_id:
            card["wa_id"] = self.wa_id
        if self.user_id:
            card["user_id"] = self.user_id
        return card


@dataclass(slots=True)
class Number:
    """One phone number of a WABA with its application's secrets."""

    token: str
    id: str
    waba_id: str
    app_secret: str
    phone: str
    queue: WebhookQueue
    name: str = "Сервис «Починим»"
    revoked: bool = False
    subscribed: bool = False
    url: str = ""
    people: list[Person] = field(default_factory=list)
    media: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    templates: dict[str, set[str]] = field(default_factory=dict)
    sent: dict[str, tuple[Person, dict[str, Any]]] = field(default_factory=dict)
    received: list[str] = field(default_factory=list)
    actions: list[tuple[float, str, str]] = field(default_factory=list)
    downloads: list[str] = field(default_factory=list)
    held: list[dict[str, Any]] = field(default_factory=list)
    batch: list[dict[str, Any]] | None = None
    counter: int = 0

    def person(self, address: str) -> Person | None:
        """The person behind a wa_id or a business-scoped id."""
        return next((p for p in self.people if address and address in (p.wa_id, p.user_id)), None)

    def wamid(self) -> str:
        """A new message id."""
        self.counter += 1
        return f"wamid.EMU{self.id[-4:]}{self.counter:08d}=="

    def change(self, fields: dict[str, Any], field_name: str = "messages") -> dict[str, Any]:
        """One element of `changes`."""
        metadata = {"display_phone_number": self.phone, "phone_number_id": self.id}
        return {"value": {"messaging_product": "whatsapp", "metadata": metadata, **fields}, "field": field_name}

    def emit(self, change: dict[str, Any], key: str, *, copies: int = 1, hold: bool = False) -> None:
        """Deliver a change. `hold`: after the next one; inside a batch: together with the others, in one POST."""
        if self.batch is not None:
            self.batch.append(change)
            return
        if hold:
            self.held.append(change)
            return
        for _ in range(copies):
            self.post([change], key)
        held, self.held = self.held, []
        for late in held:
            self.post([late], key)

    def post(self, changes: list[dict[str, Any]], key: str) -> None:
        """One signed POST with these changes."""
        body = dumps({"object": "whatsapp_business_account", "entry": [{"id": self.waba_id, "changes": changes}]})
        signature = hmac.new(self.app_secret.encode(), body, hashlib.sha256).hexdigest()
        self.queue.push(Delivery(key, body, {"X-Hub-Signature-256": f"sha256={signature}"}))
