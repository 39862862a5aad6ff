"""What people do in the emulated WhatsApp; each act becomes a signed webhook."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from battcrm.devkit.emulators.base import Emulator
from battcrm.devkit.emulators.whatsapp.state import GraphError, Number, Person

DAY = 86_400.0


class People(Emulator):
    """Control API. `number` is a phone_number_id, `who` a wa_id or a business-scoped user id of a known person."""

    numbers: dict[str, Number]

    def add_person(self, number: str, wa_id: str = "", user_id: str | None = None, name: str = "Алексей П.") -> None:
        """Somebody with WhatsApp who has not written yet; without `wa_id` the phone stays hidden."""
        if not (wa_id or user_id):
            raise ValueError("a person has a phone or a user id")
        self.numbers[number].people.append(Person(wa_id, user_id, name))

    def user_says(self, number: str, who: str, text: str, **fields: Any) -> str:
        """A person writes. Returns the message's id; unknown digits become a person of their own."""
        return self.user_sends(number, who, "text", {"body": text}, **fields)

    def user_sends(self, number: str, who: str, kind: str, part: dict[str, Any] | list[Any], **fields: Any) -> str:
        """A message of any type; it opens the 24-hour window, an ad's `referral` the 72-hour one."""
        account = self.numbers[number]
        person = self._person(account, who)
        now = self.clock.monotonic()
        person.last_word = now
        if "referral" in fields:
            person.free_until = now + 3 * DAY
        message = self._base(account, person) | {"type": kind, kind: part} | fields
        account.received.append(message["id"])
        self._emit(account, person, {"contacts": [person.card()], "messages": [message]})
        return str(message["id"])

    def user_sends_file(self, number: str, who: str, kind: str, content: bytes, mime: str, **fields: Any) -> str:
        """A person sends an image, audio, video or document with these bytes; the media API can fetch it."""
        account = self.numbers[number]
        media_id = str(1_003_383_421_380_000 + len(account.media))
        account.media[media_id] = (mime, content)
        return self.user_sends(number, who, kind, {"id": media_id, "mime_type": mime, **fields})

    def press(self, number: str, who: str, title: str) -> str:
        """A person presses a reply button or picks a list row with this title on the newest message that has it."""
        account = self.numbers[number]
        for wamid, (person, body) in reversed(account.sent.items()):
            if who not in (person.wa_id, person.user_id):
                continue
            action = (body.get("interactive") or {}).get("action") or {}
            found = {b["reply"]["title"]: ("button_reply", b["reply"]) for b in action.get("buttons", ())}
            rows = [row for section in action.get("sections", ()) for row in section["rows"]]
            found |= {row["title"]: ("list_reply", row) for row in rows}
            if title in found:
                kind, reply = found[title]
                part = {"type": kind, kind: {"id": reply["id"], "title": reply["title"]}}
                return self.user_sends(number, who, "interactive", part, context={"from": account.phone, "id": wamid})
        raise KeyError(f"no button {title!r}")

    def react(self, number: str, who: str, message_id: str, emoji: str | None) -> str:
        """A reaction; None takes it back."""
        part = {"message_id": message_id} | ({"emoji": emoji} if emoji else {})
        return self.user_sends(number, who, "reaction", part)

    def edit(self, number: str, who: str, message_id: str, text: str) -> str:
        """A person changes a message of theirs."""
        inner = {"type": "text", "text": {"body": text}}
        return self.user_sends(number, who, "edit", {"original_message_id": message_id, "message": inner})

    def revoke(self, number: str, who: str, message_id: str) -> str:
        """A person deletes a message of theirs for all."""
        return self.user_sends(number, who, "revoke", {"original_message_id": message_id})

    def operator_says(self, number: str, who: str, text: str) -> str:
        """Somebody answers from the phone app of a shared number."""
        account = self.numbers[number]
        person = self._person(account, who)
        echo = {"from": account.phone, "to": person.wa_id, "id": account.wamid(), "timestamp": self._timestamp()}
        if person.user_id:
            echo["to_user_id"] = person.user_id
        content = {"contacts": [person.card()], "message_echoes": [echo | {"type": "text", "text": {"body": text}}]}
        self._emit(account, person, content, "smb_message_echoes")
        return str(echo["id"])

    def read(self, number: str, message_id: str) -> None:
        """A person reads a message of ours."""
        self.status(self.numbers[number], message_id, "read")

    def block(self, number: str, who: str, blocked: bool = True) -> None:
        """A person blocks or unblocks the number; nobody is told."""
        self._person(self.numbers[number], who).blocked = blocked

    def lapse(self, number: str, who: str) -> None:
        """Let the person's window close."""
        person = self._person(self.numbers[number], who)
        person.last_word = person.free_until = None

    @contextmanager
    def one_post(self, number: str) -> Iterator[None]:
        """Everything that happens inside is delivered as several changes of one POST."""
        account = self.numbers[number]
        account.batch = []
        try:
            yield
        finally:
            changes, account.batch = account.batch, None
            if changes:
                account.post(changes, "batch")

    def status(self, account: Number, wamid: str, state: str, error: GraphError | None = None) -> None:
        """Tell the state of one of our messages."""
        person, body = account.sent[wamid]
        status: dict[str, Any] = {"id": wamid, "status": state, "timestamp": self._timestamp()}
        if person.wa_id:
            status["recipient_id"] = person.wa_id
        if person.user_id:
            status["recipient_user_id"] = person.user_id
        if body.get("biz_opaque_callback_data"):
            status["biz_opaque_callback_data"] = body["biz_opaque_callback_data"]
        if error is not None:
            status["errors"] = [error.as_webhook()]
        else:
            status["pricing"] = {"billable": False, "pricing_model": "PMP", "type": "free_customer_service"}
            status["pricing"]["category"] = "service"
        self._emit(account, person, {"contacts": [person.card()], "statuses": [status]})

    def _person(self, account: Number, who: str) -> Person:
        found = account.person(who)
        if found is None:
            if not who.isdigit():
                raise KeyError("no such person")
            found = Person(who, f"RU.{who}0001", "Алексей П.")
            account.people.append(found)
        return found

    def _base(self, account: Number, person: Person) -> dict[str, Any]:
        message: dict[str, Any] = {"id": account.wamid(), "timestamp": self._timestamp()}
        if person.wa_id:
            message["from"] = person.wa_id
        if person.user_id:
            message["from_user_id"] = person.user_id
        return message

    def _timestamp(self) -> str:
        return str(int(self.clock.now().timestamp()))

    def _emit(self, account: Number, person: Person, content: dict[str, Any], field: str = "messages") -> None:
        fault = self.faults.take("webhook", account.id, person.chat)
        copies = 2 if fault is not None and fault.kind == "duplicate" else 1
        hold = fault is not None and fault.kind == "out_of_order"
        account.emit(account.change(content, field), person.chat, copies=copies, hold=hold)
