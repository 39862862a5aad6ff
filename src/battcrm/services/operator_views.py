"""What an operator sees: appeals that wait, and one appeal with its thread."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from battcrm.models.facts import Fact, Hypothesis
from battcrm.pipeline.knowledge import facts_of, from_json
from battcrm.services.channels_texts import NOTES


@dataclass(frozen=True, slots=True)
class Waiting:
    """An appeal in human hands. `since` is None when the operator spoke last: nobody waits."""

    number: int
    client: str | None
    channel: str
    device: str
    status: str
    reason: str | None
    since: datetime | None
    last_author: str | None
    last_text: str
    returns_at: datetime | None


@dataclass(frozen=True, slots=True)
class Line:
    """One message of a thread; `author` is client, bot, operator or automation; `number` is that of its appeal."""

    message_id: UUID
    seq: int
    number: int | None
    at: datetime
    author: str
    text: str
    state: str
    kind: str
    deleted: bool


@dataclass(frozen=True, slots=True)
class Thread:
    """One appeal: its facts, the handover note of the bot, and what was said in its chat. Money in kopecks."""

    number: int
    appeal_id: UUID
    dialog_id: UUID
    client_id: UUID
    client: str | None
    channel: str
    device: str
    status: str
    control: str
    returns_at: datetime | None
    opened_at: datetime
    closed_at: datetime | None
    quoted: tuple[int, int] | None
    facts: tuple[tuple[str, Fact], ...]
    handover: dict[str, str]
    lines: tuple[Line, ...]


def waiting_of(row: Any) -> Waiting:
    """A line of the list."""
    return Waiting(
        number=row["number"],
        client=row["display_name"],
        channel=row["channel"],
        device=device_of(from_json(row["known"])),
        status=row["status"],
        reason=row["handover"].get("reason"),
        since=row["since"],
        last_author=author_of(row["last_direction"], row["last_author"]),
        last_text=row["last_text"] or "",
        returns_at=row["control_until"],
    )


def thread_of(row: Any, lines: list[Any]) -> Thread:
    """An appeal's row with the rows of its messages."""
    known = from_json(row["known"])
    quoted = None if row["quoted_low"] is None else (row["quoted_low"], row["quoted_high"])
    return Thread(
        number=row["number"],
        appeal_id=row["appeal_id"],
        dialog_id=row["dialog_id"],
        client_id=row["client_id"],
        client=row["display_name"],
        channel=row["channel"],
        device=device_of(known),
        status=row["status"],
        control=row["control"],
        returns_at=row["control_until"],
        opened_at=row["opened_at"],
        closed_at=row["closed_at"],
        quoted=quoted,
        facts=tuple(facts_of(known)),
        handover=dict(row["handover"]),
        lines=tuple(_line(r) for r in lines),
    )


def device_of(known: Hypothesis) -> str:
    """Brand and model as far as they are known, else the class of device, else nothing."""
    brand = known.brand.value if known.brand else ""
    model = known.model.value if known.model else ""
    name = model if model.lower().startswith(brand.lower()) else f"{brand} {model}"
    return name.strip() or brand or known.device_class or ""


def author_of(direction: str | None, author: str | None) -> str | None:
    """Who said it; the people of the other side are all `client` here."""
    return "client" if direction == "in" else author


def note_of(content: dict[str, Any]) -> list[str]:
    """What the operator has to know of a message, such as content that the platform keeps to itself."""
    pair = NOTES.get(content.get("note", ""))
    return [f"({' / '.join(pair)})"] if pair else []


def _line(row: Any) -> Line:
    content: dict[str, Any] = row["content"]
    files = [a.get("filename") or a.get("kind", "file") for a in content.get("attachments", ())]
    text = row["text"] or content.get("button", {}).get("title", "")
    return Line(
        message_id=row["message_id"],
        seq=row["seq"],
        number=row["number"],
        at=row["received_at"],
        author=author_of(row["direction"], row["author"]) or "",
        text=" ".join([text, *(f"[{name}]" for name in files), *note_of(content)]).strip(),
        state=row["state"],
        kind=row["kind"],
        deleted=row["deleted_at"] is not None,
    )
