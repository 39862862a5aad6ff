from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from battcrm.kit.ids import derived_id
from battcrm.models.situation import AppealStatus, AppealView, Control
from battcrm.resolution.client import ClientProfile, Twin, find_twins, suggest_merge
from battcrm.resolution.settings import ResolutionSettings
from tests.unit.resolution.replay import START, hypothesis

SETTINGS = ResolutionSettings()
SCREEN: dict[str, Any] = {"brand": "Apple", "model": "iPhone 13", "repairs": ["screen"]}


def about(days: float = 0, **say: Any) -> AppealView:
    at = START + timedelta(days=days)
    key = derived_id("appeal", str(days), str(say))
    return AppealView(key, 1, AppealStatus.QUOTED, Control.BOT, None, at, at, None, hypothesis(say))


def person(key: str, channel: str = "tg", **more: Any) -> ClientProfile:
    return ClientProfile(derived_id(key), START, channels=frozenset({derived_id(channel)}), **more)


def test_only_a_verified_phone_merges_by_itself() -> None:
    phone = frozenset({"+70000000001"})
    verified = suggest_merge(person("a", verified=phone), person("b", "vk", verified=phone), SETTINGS)
    assert verified is not None
    assert verified.automatic
    assert verified.reason is Twin.VERIFIED_PHONE
    typed = suggest_merge(person("a", verified=phone), person("b", "vk", phones=phone), SETTINGS)
    assert typed is not None
    assert not typed.automatic
    assert typed.reason is Twin.PHONE
    manual = ResolutionSettings(merge_on_verified_phone=False)
    kept = suggest_merge(person("a", verified=phone), person("b", "vk", verified=phone), manual)
    assert kept is not None
    assert not kept.automatic


def test_same_question_in_two_channels_is_only_suggested() -> None:
    a = person("a", name="Анна Котова", appeals=(about(0, **SCREEN),))
    b = person("b", "vk", name="Котова Анна", appeals=(about(3, **SCREEN),))
    twin = suggest_merge(a, b, SETTINGS)
    assert twin is not None
    assert twin.reason is Twin.NAME_AND_APPEAL
    assert not twin.automatic
    assert suggest_merge(a, replace(b, name="Пётр"), SETTINGS) is None
    assert suggest_merge(a, replace(b, appeals=(about(15, **SCREEN),)), SETTINGS) is None
    assert suggest_merge(a, replace(b, channels=a.channels), SETTINGS) is None
    nameless = suggest_merge(a, replace(b, name=None), SETTINGS)
    assert nameless is not None
    assert nameless.reason is Twin.SAME_APPEAL
    assert nameless.score < twin.score


def test_survivor_has_the_longer_history() -> None:
    phone = frozenset({"+70000000001"})
    young = replace(person("a", phones=phone), created_at=START + timedelta(days=1))
    old = person("b", "vk", phones=phone)
    rich = replace(young, appeals=(about(0, **SCREEN),))
    first, second = suggest_merge(young, old, SETTINGS), suggest_merge(rich, old, SETTINGS)
    assert first is not None
    assert first.survivor == old.client_id
    assert second is not None
    assert second.survivor == rich.client_id
    assert suggest_merge(old, old, SETTINGS) is None


def test_twins_are_found_among_many_and_a_shop_phone_is_not_a_person() -> None:
    phone = frozenset({"+70000000001"})
    common = frozenset({"+70000000009"})
    crowd = [person(f"c{i}", f"ch{i}", phones=common) for i in range(9)]
    found = find_twins([person("a", phones=phone), person("b", "vk", phones=phone), *crowd], SETTINGS)
    assert [(m.survivor in {derived_id("a"), derived_id("b")}, m.reason) for m in found] == [(True, Twin.PHONE)]
