"""Writes docs/reference/events.md from the catalogue: `python -m battcrm.events.reference [FILE]`."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path
from typing import Final, get_type_hints
from uuid import UUID

from battcrm.events.catalogue import EVENTS, Event

PATH: Final = Path("docs/reference/events.md")
_HEAD: Final = """# Events

Made from `src/battcrm/events/catalogue.py` by `python -m battcrm.events.reference`; a test compares. Do not edit.

An event states what happened, once. It carries ids and versions and no personal data: a reader reads the rows again.
Events of one ordering key arrive in the order of `seq`; an event may arrive twice, and `event_id` tells that.

## Envelope

| field | type | meaning |
|---|---|---|
| `event_id` | uuid (v7) | identity of the event |
| `tenant_id` | uuid | whose event it is |
| `type` | text | see below |
| `version` | integer | version of the type's schema; a new field is not a new version, a changed one is |
| `key` | uuid | ordering key |
| `data` | object | the fields below, ids as text |
| `occurred_at` | time (UTC) | when it happened |
| `seq` | integer | grows with time; order inside one key |

## Following them

A layer registers a consumer (`events/registry.py`): a name that never changes, the types, a handler. Its place is kept in
`consumer_group`; `begin` says where one begins that was never here before:

| `begin` | first event | for |
|---|---|---|
| `oldest` (unless said otherwise) | the oldest in the outbox, up to 14 days old | what feeds a copy or counts: the graph, connectors; nothing is missing, not even what happened during its first start |
| `now` | what happens after its first start | who reacts: touches, automations, anything that writes to people must not react to the past |

A consumer goes on where it was: what the streams have lost meanwhile (Redis wiped or restarted, entries trimmed unread, even
between two reads) it reads from the outbox by itself, counted in `battcrm_consumer_gaps_total`. One that was away for longer
than 14 days is marked broken; what it feeds is then built anew (`battcrm graph rebuild`).

## Types
"""
_KEYS: Final = {"price.changed": "the price item (in `client_id`)"}


def render() -> str:
    """The whole page."""
    return _HEAD + "".join(_section(event) for event in EVENTS)


def _section(event: type[Event]) -> str:
    hints = get_type_hints(event)
    lines = [
        "",
        f"### `{event.TYPE}`",
        "",
        " ".join((event.__doc__ or "").split()),
        "",
        f"Schema version {event.VERSION}. Ordering key: {_KEYS.get(event.TYPE, 'the client')}.",
        "",
        "| field | type |",
        "|---|---|",
    ]
    lines += [f"| `{item.name}` | {_type(hints[item.name])} |" for item in fields(event) if item.name != "tenant_id"]
    return "\n".join(lines) + "\n"


def _type(hint: object) -> str:
    words: dict[object, str] = {UUID: "uuid", int: "integer", str: "text", UUID | None: "uuid or null"}
    return words[hint]


def main() -> None:
    """Write the page."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PATH
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
