"""PROTOCOL K for the bench: from what the platform had accepted and what the messenger showed; tables only tell what
is still under way."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

from battcrm.devkit.faults.bench import Bench, Shop
from battcrm.devkit.faults.messenger import event
from battcrm.models.unified import UnifiedMessage

_STORED: Final = """
SELECT ch.account_ref || '/' || d.external_chat_id AS chat, m.external_id AS id, count(*) AS n
FROM message m JOIN dialog d ON d.tenant_id = m.tenant_id AND d.dialog_id = m.dialog_id
JOIN channel ch ON ch.tenant_id = d.tenant_id AND ch.channel_id = d.channel_id
WHERE m.direction = 'in' AND m.kind = 'message' GROUP BY 1, 2
"""
_OUTGOING: Final = """
SELECT o.outgoing_id, o.state, o.seq, o.payload->>'text' AS text, ch.account_ref || '/' || d.external_chat_id AS chat
FROM outgoing o JOIN dialog d ON d.tenant_id = o.tenant_id AND d.dialog_id = o.dialog_id
JOIN channel ch ON ch.tenant_id = o.tenant_id AND ch.channel_id = o.channel_id WHERE o.tenant_id IS NOT NULL
"""


@dataclass
class Said:
    """One message of a customer: its texts in order of revision, and which of them the door has accepted."""

    shop: Shop
    chat: str
    id: str
    texts: list[str]
    accepted: set[int] = field(default_factory=set)

    @property
    def place(self) -> str:
        """The chat as the messenger names it."""
        return f"{self.shop.account.account_ref}/{self.chat}"


@dataclass
class Ledger:
    """Everything customers did, and what the platform still has to deliver."""

    said: list[Said] = field(default_factory=list)
    waiting: list[tuple[Said, int]] = field(default_factory=list)
    delivered: list[tuple[Said, int]] = field(default_factory=list)
    deleted: set[str] = field(default_factory=set)

    def say(self, shop: Shop, chat: str) -> Said:
        """A new message, not delivered yet."""
        said = Said(shop, chat, f"m{len(self.said)}", [f"t{len(self.said)}.0"])
        self.said.append(said)
        self.waiting.append((said, 0))
        return said

    def edit(self, said: Said) -> None:
        """A new revision, not delivered yet."""
        said.texts.append(f"{said.texts[0].split('.')[0]}.{len(said.texts)}")
        self.waiting.append((said, len(said.texts) - 1))

    def noted(self, said: Said, revision: int) -> None:
        """The door gave a 2xx."""
        said.accepted.add(revision)
        if (said, revision) in self.waiting:
            self.waiting.remove((said, revision))
            self.delivered.append((said, revision))


def update(said: Said, revision: int) -> UnifiedMessage:
    """The platform's event about a revision."""
    kind = "edit" if revision else "message"
    return event(said.chat, said.id, said.texts[revision], kind, revision)


@dataclass
class Account:
    """The counts, with names of what is wrong."""

    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    unknown: int = 0
    replies: int = 0


async def settle_accounts(bench: Bench, ledger: Ledger) -> Account:
    """Count what became of every accepted message."""
    account = Account()
    rows = await bench.pool.fetch(_OUTGOING)
    account.unknown = sum(row["state"] == "unknown" for row in rows)
    shown: dict[str, list[Any]] = defaultdict(list)
    for item in bench.messenger.shown:
        shown[item.chat].append(item)
    account.replies = len(bench.messenger.shown)
    for chat, items in shown.items():
        _chat(account, chat, items, {str(row["outgoing_id"]) for row in rows if row["state"] == "unknown"})
    _decided(account, rows, {item.key for item in bench.messenger.shown})
    stored = {(row["chat"], row["id"]): row["n"] for row in await bench.pool.fetch(_STORED)}
    spoken = {(row["chat"], text) for row in rows for text in row["text"].split("|", 2)[2].split(",")}
    for said in ledger.said:
        _message(account, said, stored.get((said.place, said.id), 0), spoken, ledger)
    return account


def _chat(account: Account, chat: str, items: list[Any], unknown: set[str]) -> None:
    """Nothing twice, and in order. A send given up as unknown may still arrive later than its successors."""
    keys = Counter(tuple(item.text.split("|", 2)[:2]) for item in items)
    texts = Counter(text for item in items for text in item.text.split("|", 2)[2].split(","))
    account.duplicated += [f"{chat}: {key} shown {n} times" for key, n in keys.items() if n > 1]
    account.duplicated += [f"{chat}: {text} answered {n} times" for text, n in texts.items() if n > 1]
    places = [tuple(map(int, item.text.split("|", 2)[:2])) for item in items if item.key not in unknown]
    if places != sorted(places):
        account.disordered.append(f"{chat}: {places}")


def _decided(account: Account, rows: list[Any], shown: set[str]) -> None:
    for row in rows:
        gone = row["state"] in ("failed", "expired", "cancelled")
        if gone or (row["state"] == "sent" and str(row["outgoing_id"]) not in shown):
            account.lost.append(f"{row['chat']}: {row['text']} is {row['state']} and was never shown")


def _message(account: Account, said: Said, stored: int, spoken: set[tuple[str, str]], ledger: Ledger) -> None:
    if 0 not in said.accepted:
        return
    if stored != 1:
        (account.lost if stored == 0 else account.duplicated).append(f"{said.place}: {said.id} stored {stored} times")
    latest = said.texts[max(said.accepted)]
    if (said.place, latest) not in spoken and said.id not in ledger.deleted:
        account.lost.append(f"{said.place}: {latest} has no answer")
