"""Is it the same person? Pure rules for twins across channels; nothing here merges anybody."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import combinations
from typing import Final
from uuid import UUID

from battcrm.models.situation import AppealView
from battcrm.resolution.match import Fit, device_of, fit, repairs_of, squeeze
from battcrm.resolution.settings import ResolutionSettings

_TOO_COMMON: Final = 8  # a key shared by more clients than this is a shop's own phone or a popular name


class Twin(StrEnum):
    """Why two clients look like one person."""

    VERIFIED_PHONE = "verified_phone"
    PHONE = "phone"
    NAME_AND_APPEAL = "name_and_appeal"
    SAME_APPEAL = "same_appeal"


@dataclass(frozen=True, slots=True)
class ClientProfile:
    """What is compared of a client. Phones are E.164; `verified` are those the platform vouched for."""

    client_id: UUID
    created_at: datetime
    name: str | None = None
    phones: frozenset[str] = frozenset()
    verified: frozenset[str] = frozenset()
    channels: frozenset[UUID] = frozenset()
    appeals: tuple[AppealView, ...] = ()


@dataclass(frozen=True, slots=True)
class MergeSuggestion:
    """Two clients that look like one. `automatic` only with an equal verified phone; else a person decides."""

    survivor: UUID
    duplicate: UUID
    reason: Twin
    score: float
    automatic: bool
    detail: str = ""


def suggest_merge(a: ClientProfile, b: ClientProfile, settings: ResolutionSettings) -> MergeSuggestion | None:
    """Whether the two are probably one person. The survivor is the one with more appeals, then the older one."""
    if a.client_id == b.client_id:
        return None
    first, second = sorted((a, b), key=lambda p: (-len(p.appeals), p.created_at, p.client_id))

    def suggestion(reason: Twin, score: float, detail: str, *, automatic: bool = False) -> MergeSuggestion:
        return MergeSuggestion(first.client_id, second.client_id, reason, score, automatic, detail)

    verified = a.verified & b.verified
    if verified:
        return suggestion(Twin.VERIFIED_PHONE, 0.99, min(verified), automatic=settings.merge_on_verified_phone)
    shared = (a.phones | a.verified) & (b.phones | b.verified)
    if shared:
        return suggestion(Twin.PHONE, 0.85, min(shared))
    if a.channels & b.channels:
        return None  # one platform account is one person: two accounts in one channel need more than a likeness
    twin = _twin_appeal(a.appeals, b.appeals, settings)
    if twin is None:
        return None
    if a.name and b.name:
        return suggestion(Twin.NAME_AND_APPEAL, 0.7, twin) if _same_name(a.name, b.name) else None
    return suggestion(Twin.SAME_APPEAL, 0.45, twin)


def find_twins(profiles: Sequence[ClientProfile], settings: ResolutionSettings) -> tuple[MergeSuggestion, ...]:
    """Suggestions over many clients, best first. Compares only clients that share a phone or a model."""
    groups: dict[str, list[ClientProfile]] = defaultdict(list)
    for profile in profiles:
        for key in _keys(profile, settings):
            groups[key].append(profile)
    found: dict[frozenset[UUID], MergeSuggestion] = {}
    for group in groups.values():
        if len(group) > _TOO_COMMON:
            continue
        for a, b in combinations(group, 2):
            pair = frozenset((a.client_id, b.client_id))
            if pair not in found and (merge := suggest_merge(a, b, settings)) is not None:
                found[pair] = merge
    return tuple(sorted(found.values(), key=lambda m: (-m.score, m.survivor, m.duplicate)))


def _keys(profile: ClientProfile, settings: ResolutionSettings) -> Iterable[str]:
    yield from profile.phones | profile.verified
    models = {device_of(a.known, settings.min_fact_confidence).model for a in profile.appeals}
    name = squeeze(profile.name or "")
    yield from (f"model:{model}:{name}" for model in models if model)
    if name:
        yield from (f"model:{model}:" for model in models if model)


def _same_name(a: str, b: str) -> bool:
    return sorted(a.lower().split()) == sorted(b.lower().split())


def _twin_appeal(left: Sequence[AppealView], right: Sequence[AppealView], settings: ResolutionSettings) -> str | None:
    """Name of a model about which both asked the same within the window."""
    floor, window = settings.min_fact_confidence, timedelta(days=settings.twin_days)
    for a in left:
        for b in right:
            same = fit(device_of(a.known, floor), device_of(b.known, floor)) is Fit.SAME
            repairs = repairs_of(a.known, floor) & repairs_of(b.known, floor)
            if same and repairs and abs(a.opened_at - b.opened_at) <= window and a.known.model is not None:
                return a.known.model.value
    return None
