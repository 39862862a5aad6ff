"""What every channel promises about what comes in."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from battcrm.kit.errors import Invalid
from battcrm.kit.text import dumps
from battcrm.models.unified import to_wire
from battcrm.transport.base import Manifest
from battcrm.transport.registry import kinds, manifest_of
from tests.contract.channels.harness import REQUIRED_FAULTS, REQUIRED_INBOUND, Harness, harness_kinds, make_harness

CASES = [(kind, case) for kind in harness_kinds() for case in sorted(make_harness(kind).inbound)]
WITH_EVENTS = [(kind, case) for kind, case in CASES if make_harness(kind).inbound[case].expect]


def differences(expected: Any, got: Any, where: str = "") -> list[str]:
    """How `got` differs from the expected part of a document."""
    if isinstance(expected, dict):
        if not isinstance(got, dict):
            return [f"{where}: {got!r} is no object"]
        return [d for k, v in expected.items() for d in differences(v, got.get(k), f"{where}.{k}")]
    if isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        return [
            d for i, (e, g) in enumerate(zip(expected, got, strict=True)) for d in differences(e, g, f"{where}[{i}]")
        ]
    return [] if expected == got else [f"{where}: expected {expected!r}, got {got!r}"]


@pytest.mark.parametrize("kind", kinds())
def test_every_channel_has_a_complete_harness(kind: str) -> None:
    made = make_harness(kind)
    assert made.kind == kind
    assert made.inbound.keys() >= REQUIRED_INBOUND
    assert len(made.forged(b"{}")) >= 2
    assert not made.remote or made.faults >= REQUIRED_FAULTS


@pytest.mark.parametrize(("kind", "case"), CASES)
def test_body_means_what_the_harness_says(harness: Harness, kind: str, case: str) -> None:
    inbound = harness.inbound[case]
    found = manifest_of(kind).parse(inbound.body, harness.account)
    documents = [to_wire(m) for m in found]
    assert differences(list(map(dict, inbound.expect)), documents) == []
    for document in documents:
        assert document["umf"] == "1"
        assert document["channel"] == kind
        assert document["channel_id"] == str(harness.account.channel_id)
        assert document["conversation"]["id"]
        assert 0 < len(document["dedup_key"]) <= 300
        assert json.loads(dumps(document)) == document


@pytest.mark.parametrize(("kind", "case"), WITH_EVENTS)
def test_same_body_twice_has_the_same_keys_and_distinct_events_differ(harness: Harness, kind: str, case: str) -> None:
    parse, body = manifest_of(kind).parse, harness.inbound[case].body
    first, second = parse(body, harness.account), parse(body, harness.account)
    assert [m.dedup_key for m in first] == [m.dedup_key for m in second]
    assert [m.event_id for m in first] == [m.event_id for m in second]
    assert len({m.dedup_key for m in first}) == len(first)


@pytest.mark.parametrize("kind", harness_kinds())
def test_different_events_have_different_keys(harness: Harness, kind: str) -> None:
    bodies = {case: inbound.body for case, inbound in harness.inbound.items()}
    keys: dict[str, str] = {}
    for case, body in bodies.items():
        for message in manifest_of(kind).parse(body, harness.account):
            other = keys.setdefault(message.dedup_key, case)
            assert other == case or bodies[other] == body


@pytest.mark.parametrize(("kind", "case"), CASES)
def test_command_line_parses_without_an_account(harness: Harness, kind: str, case: str) -> None:
    body = harness.inbound[case].body
    assert len(manifest_of(kind).parse(body, None)) == len(harness.inbound[case].expect)


@pytest.mark.parametrize("kind", harness_kinds())
def test_authentic_is_accepted_and_forged_is_not(harness: Harness, kind: str) -> None:
    manifest, body = manifest_of(kind), harness.inbound["text"].body
    assert manifest.verify(harness.authentic(body), harness.account).ok
    for request in harness.forged(body):
        verdict = manifest.verify(request, harness.account)
        assert not verdict.ok
        assert verdict.reason
        assert not any(secret in verdict.reason for secret in harness.secrets)


@pytest.mark.parametrize("kind", harness_kinds())
def test_an_account_without_secrets_accepts_nothing(harness: Harness, kind: str) -> None:
    bare, body = replace(harness.account, secrets={}), harness.inbound["text"].body
    for request in (harness.authentic(body), *harness.forged(body)):
        assert not manifest_of(kind).verify(request, bare).ok


@pytest.mark.parametrize("kind", harness_kinds())
@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"x"', b"{", b"\xff\xfe\x00", b"[" * 100_000])
def test_what_is_no_body_of_the_platform_is_invalid(kind: str, body: bytes) -> None:
    with pytest.raises(Invalid):
        manifest_of(kind).parse(body, None)


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**63, 2**64, 10**40, -1, 0]),
    st.floats(),
    st.text(max_size=8),
    st.just([]),
    st.just({}),
    st.just([None, 1, "x", {}]),
)


def paths(value: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside a JSON value."""
    found = [prefix] if prefix else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += paths(inner, (*prefix, key))
    return found


def mutated(value: Any, path: tuple[Any, ...], junk: Any, drop: bool) -> Any:
    """The value with one place replaced or, in objects, removed."""
    head, *rest = path
    copied = dict(value) if isinstance(value, dict) else list(value)
    if rest:
        copied[head] = mutated(copied[head], tuple(rest), junk, drop)
    elif drop and isinstance(copied, dict):
        del copied[head]
    else:
        copied[head] = junk
    return copied


@pytest.mark.parametrize(("kind", "case"), CASES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bodies_never_raise_anything_but_invalid(kind: str, case: str, data: st.DataObject) -> None:
    manifest: Manifest = manifest_of(kind)
    body = json.loads(make_harness(kind).inbound[case].body)
    for _ in range(data.draw(st.integers(1, 3))):
        places = paths(body)
        if places:
            place = data.draw(st.sampled_from(places))
            body = mutated(body, place, data.draw(JUNK), data.draw(st.booleans()))
    try:
        found = manifest.parse(json.dumps(body).encode(), None)
    except Invalid:
        return
    for message in found:
        assert message.conversation.id
        assert message.dedup_key
        json.dumps(to_wire(message))
