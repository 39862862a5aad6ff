"""Bodies as platforms send them, beyond the samples: what each means was written by hand from the platforms' documents.

`<channel>.yaml`: a case takes the sample `from` (by default `text`), drops and sets places in it (dotted paths below
`root`; a leading slash starts at the top) and says what it must become: a list of parts of unified messages.
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from battcrm.kit.errors import Invalid
from battcrm.models.unified import to_wire
from battcrm.transport.registry import manifest_of
from tests.contract.channels.test_inbound import JUNK, differences, mutated, paths

HERE: Final = Path(__file__).parent
SAMPLES: Final = HERE.parents[1] / "data" / "messengers"
CHANNELS: Final = ("telegram", "vk", "whatsapp", "avito", "max", "webchat")


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    body: Any
    expect: list[Any]


@cache
def cases(channel: str) -> dict[str, Case]:
    document = yaml.safe_load((HERE / f"{channel}.yaml").read_text("utf-8"))
    made = [_case(channel, document["root"], item) for item in document["cases"]]
    return {case.name: case for case in made}


def _case(channel: str, root: str, item: dict[str, Any]) -> Case:
    if "body" in item:
        body = item["body"]
    else:
        body = json.loads((SAMPLES / channel / f"{item.get('from', 'text')}.json").read_text("utf-8"))
    for place in item.get("drop", ()):
        _holder(body, root, place).pop(_last(place))
    for place, value in item.get("set", {}).items():
        holder, last = _holder(body, root, place), _last(place)
        holder[int(last) if isinstance(holder, list) else last] = deepcopy(value)
    return Case(item["name"], body, item["expect"])


def _holder(body: Any, root: str, place: str) -> Any:
    path = place[1:] if place.startswith("/") else f"{root}.{place}"
    for step in path.split(".")[:-1]:
        body = body[int(step)] if isinstance(body, list) else body.setdefault(step, {})
    return body


def _last(place: str) -> str:
    return place.removeprefix("/").rpartition(".")[2]


ALL: Final = [(channel, name) for channel in CHANNELS for name in cases(channel)]


@pytest.mark.parametrize("channel", CHANNELS)
def test_there_are_many(channel: str) -> None:
    assert len(cases(channel)) >= (12 if channel == "webchat" else 50)


@pytest.mark.parametrize(("channel", "name"), ALL)
def test_body_means(channel: str, name: str) -> None:
    case = cases(channel)[name]
    body = json.dumps(case.body).encode()
    found = [to_wire(message) for message in manifest_of(channel).parse(body, None)]
    assert differences(case.expect, found) == []
    assert len({document["dedup_key"] for document in found}) == len(found)


@pytest.mark.parametrize("channel", CHANNELS)
@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_damaged_bodies_raise_nothing_but_invalid(channel: str, data: st.DataObject) -> None:
    body = cases(channel)[data.draw(st.sampled_from(list(cases(channel))))].body
    for _ in range(data.draw(st.integers(1, 4))):
        if places := paths(body):
            body = mutated(body, data.draw(st.sampled_from(places)), data.draw(JUNK), data.draw(st.booleans()))
    try:
        found = manifest_of(channel).parse(json.dumps(body).encode(), None)
    except Invalid:
        return
    for message in found:
        assert message.conversation.id
        assert 0 < len(message.dedup_key) <= 300
        json.dumps(to_wire(message))
