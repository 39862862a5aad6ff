"""Everything the routing rules look at, computed once per message."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from battcrm.models.facts import AppealType, Hypothesis, Reading, Signals
from battcrm.models.situation import AppealStatus, AppealView, TurnMessage, read_chip
from battcrm.resolution.match import OPEN, Device, Fit, device_of, fit, repairs_of, type_of
from battcrm.resolution.settings import ResolutionSettings

ANOTHER: Final = re.compile(
    r"\b(ещ[её]|второ[йе]|вторая|другой|другая|другое|другого|также|another|second|also|other)\b", re.IGNORECASE
)
_AND_WHAT_ABOUT: Final = re.compile(r"^\W*(?:ну\s+)?(?:а|и|and|what\s+about|how\s+about)\b.{1,60}\?\s*$", re.IGNORECASE)
_THANKS: Final = re.compile(r"(?<!\w)(?:спасиб|благодар|thank)", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_GUARANTEE: Final = re.compile(r"\b(?:на|по) гаранти|гарантийн|under (?:warranty|guarantee)", re.IGNORECASE)
_AND_FOR: Final = re.compile(r"^\W*(?:а|и)\s+(?:на|за|для|если)\b|^\W*(?:and|what about)\s+(?:for\s+)?", re.IGNORECASE)
_STICKERS: Final = frozenset({"sticker"})
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class View:
    """One wish against the client's appeals. `open` is sorted by last touch, newest first; so is `closed`."""

    index: int
    wish: Hypothesis
    signals: Signals
    fresh: tuple[TurnMessage, ...]
    episode: tuple[TurnMessage, ...]
    open: tuple[AppealView, ...]
    closed: tuple[AppealView, ...]
    now: datetime
    device: Device
    repairs: frozenset[str]
    type: AppealType | None
    settings: ResolutionSettings

    @property
    def floor(self) -> float:
        """Confidence below which a fact is not used for routing."""
        return self.settings.min_fact_confidence

    @property
    def text(self) -> str:
        """The fresh texts, joined."""
        return "\n".join(m.text for m in self.fresh)

    @property
    def says_another(self) -> bool:
        """Words that announce one more device."""
        return ANOTHER.search(self.text) is not None

    @property
    def and_what_about(self) -> bool:
        """A question cut short: "and for a 12?"."""
        return len(self.fresh) == 1 and _AND_WHAT_ABOUT.search(self.text) is not None

    @property
    def says_guarantee(self) -> bool:
        """Something is said to be under guarantee (what a guarantee is like in general is another matter)."""
        return _GUARANTEE.search(self.text) is not None

    @property
    def asks_of_another(self) -> bool:
        """A model is named the way one more device is asked about: "а на 14 про?"."""
        return bool(self.device.model) and _AND_FOR.search(self.text) is not None

    @property
    def bare_device(self) -> bool:
        """Only a device is named: the shape of an answer to "which model?"."""
        return self.device.named and not self.repairs and self.type not in {AppealType.PURCHASE, AppealType.SELL}

    @property
    def only_thanks(self) -> bool:
        """A thank-you in more words ("the phone is as new, thank you"): no wish, no fault and no device by name."""
        s, device = self.signals, self.device
        says = bool(self.repairs or s.phones or s.order_numbers or s.wants_operator or "?" in self.text)
        named = bool(device.brand or device.model or device.candidates)
        wishes = self.type not in {None, AppealType.OTHER}
        return not (says or named or wishes) and _THANKS.search(self.text) is not None

    @property
    def substantial(self) -> bool:
        """Whether the message can start an appeal at all."""
        s = self.signals
        shows = any(not _STICKERS.issuperset(m.attachment_kinds) for m in self.fresh)
        if self.only_thanks and not shows:
            return False
        if self.device.named or self.repairs or s.phones or s.order_numbers or s.wants_operator:
            return True
        if self.type is not None and self.type is not AppealType.OTHER:
            return True
        if shows:
            return True
        return not (s.agrees or s.declines or s.choice is not None) and len(_WORD.findall(self.text)) >= 3

    def fit(self, appeal: AppealView) -> Fit:
        """Relation of the named device to the appeal's."""
        return fit(self.device, device_of(appeal.known, self.floor))

    def appeal_repairs(self, appeal: AppealView) -> frozenset[str]:
        """What the appeal is about so far."""
        return repairs_of(appeal.known, self.floor)

    def appeal_type(self, appeal: AppealView) -> AppealType | None:
        """The appeal's type so far."""
        return type_of(appeal.known, self.floor)

    def within(self, moment: datetime | None, days: int) -> bool:
        """Whether `moment` is at most `days` ago."""
        return moment is not None and self.now - moment <= timedelta(days=days)

    def minutes_since(self, appeal: AppealView) -> float:
        """Minutes since the appeal was last touched."""
        return (self.now - appeal.touched_at).total_seconds() / 60

    def hours_since(self, appeal: AppealView) -> float:
        """Hours since the appeal was last touched."""
        return self.minutes_since(appeal) / 60

    def chip_number(self) -> int:
        """Number of the appeal whose button was pressed; 0 if none."""
        for message in reversed(self.fresh):
            chip = read_chip(message.button_payload)
            if chip is not None:
                return chip.number
        return 0

    def replied_appeal(self) -> AppealView | None:
        """The appeal of the message that was answered with a quote."""
        for message in reversed(self.fresh):
            if message.reply_to is None:
                continue
            target = next((m for m in self.episode if m.external_id == message.reply_to), None)
            if target is not None and target.appeal_id is not None:
                return next((a for a in (*self.open, *self.closed) if a.appeal_id == target.appeal_id), None)
        return None

    def settled_appeal(self) -> AppealView | None:
        """The open appeal all fresh words were in already, when a person has named its device."""
        ids = {m.appeal_id for m in self.fresh}
        found = next((a for a in self.open if ids == {a.appeal_id}), None)
        facts = (found.known.brand, found.known.model) if found is not None else ()
        return found if any(fact is not None and fact.locked for fact in facts) else None

    def edited_appeal(self) -> AppealView | None:
        """The open appeal of the message that was changed, when nothing but edits is fresh."""
        if not self.fresh or any(m.kind != "edit" for m in self.fresh):
            return None
        return next((a for a in self.open if a.appeal_id == self.fresh[-1].appeal_id), None)


def build_view(
    messages: Sequence[TurnMessage],
    reading: Reading,
    index: int,
    appeals: Sequence[AppealView],
    settings: ResolutionSettings,
) -> View:
    """The view for hypothesis number `index` of the reading."""
    fresh = tuple(m for m in messages if m.fresh and m.direction == "in") or tuple(messages[-1:])
    wish = reading.hypotheses[index]
    floor = settings.min_fact_confidence
    by_touch = sorted(appeals, key=lambda a: a.touched_at, reverse=True)
    moments = [m.at for m in fresh] or [a.touched_at for a in by_touch[:1]]
    return View(
        index=index,
        wish=wish,
        signals=reading.signals,
        fresh=fresh,
        episode=tuple(messages),
        open=tuple(a for a in by_touch if a.status in OPEN),
        closed=tuple(a for a in by_touch if a.status in {AppealStatus.DONE, AppealStatus.LOST}),
        now=max(moments, default=_NEVER),
        device=device_of(wish, floor),
        repairs=repairs_of(wish, floor),
        type=type_of(wish, floor),
        settings=settings,
    )
