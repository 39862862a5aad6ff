"""Whatever shape n8n gives a task, it is read; what cannot be is refused with a reason that repeats nothing of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from battcrm.kit.errors import Invalid
from battcrm.migration.queue.settings import TaskFields
from battcrm.migration.queue.tasks import MAX_BYTES, parse_task

_PLAIN = {"id": 42, "tenant_id": "17", "text": "экран разбит", "resume_url": "http://n8n:5678/webhook-waiting/9"}


def encoded(value: Any, times: int = 1) -> bytes:
    for _ in range(times):
        value = json.dumps(value, ensure_ascii=False)
    return str(value).encode()


@pytest.mark.parametrize("times", [1, 2, 3])
def test_json_inside_json_strings(times: int) -> None:
    task = parse_task(encoded(_PLAIN, times), TaskFields())
    assert (task.task_id, task.tenant, task.texts) == ("42", "17", ("экран разбит",))
    assert task.resume_url == _PLAIN["resume_url"]
    assert task.document["id"] == 42


@pytest.mark.parametrize(
    ("given_id", "expected"),
    [
        (42, "42"),
        ("42", "42"),
        ("9007199254740993", "9007199254740993"),
        (9007199254740993, "9007199254740993"),
        (42.0, "42"),
        (" a-1 ", "a-1"),
    ],
)
def test_ids_are_texts_or_numbers(given_id: object, expected: str) -> None:
    assert parse_task(encoded({"id": given_id, "text": ""}), TaskFields()).task_id == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("привет", ("привет",)),
        (None, ()),
        (13, ("13",)),
        (["привет", "экран"], ("привет", "экран")),
        ([{"text": "привет"}, {"text": None}, {"text": "экран"}], ("привет", "экран")),
        ({"text": "привет"}, ("привет",)),
        ("\ud800 null \x00", ("\ufffd null \ufffd",)),
    ],
)
def test_texts(text: object, expected: tuple[str, ...]) -> None:
    raw = json.dumps({"id": 1, "text": text}).encode()
    assert parse_task(raw, TaskFields()).texts == expected


@pytest.mark.parametrize("wrap", [lambda body: body, json.dumps], ids=["object", "string"])
def test_fields_of_a_webhook_body(wrap: Any) -> None:
    raw = encoded({"headers": {}, "execution_id": "7", "body": wrap({"message_id": "m1", "text": "экран"})})
    task = parse_task(raw, TaskFields())
    assert (task.task_id, task.texts) == ("m1", ("экран",))


def test_what_stands_at_the_top_wins() -> None:
    raw = encoded({"id": "top", "text": None, "body": {"id": "inner", "text": "экран"}})
    task = parse_task(raw, TaskFields())
    assert (task.task_id, task.texts) == ("top", ("экран",))


def test_a_body_that_is_a_text_does_no_harm() -> None:
    raw = encoded({"id": "1", "text": "экран", "body": "не JSON"})
    assert parse_task(raw, TaskFields()).texts == ("экран",)


def test_other_names_of_fields() -> None:
    fields = TaskFields(id=("uid",), text=("body",), tenant=("shop",))
    task = parse_task(encoded({"uid": 5, "body": "экран", "shop": 3}), fields)
    assert (task.task_id, task.texts, task.tenant) == ("5", ("экран",), "3")


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"", "task"),
        (b"{", "task"),
        (b"\xff\xfe", "task"),
        (b"[1]", "task"),
        (b"null", "task"),
        (b'"plain words"', "task"),
        (b"[" * 100_000, "task"),
        (encoded({"id": 1, "text": "x" * MAX_BYTES}), "task"),
        (encoded({"id": 1}), "text"),
        (encoded({"text": "a"}), "id"),
        (encoded({"id": None, "text": "a"}), "id"),
        (encoded({"id": True, "text": "a"}), "id"),
        (encoded({"id": {}, "text": "a"}), "id"),
        (encoded({"id": 12345678901234567890123, "text": "a"}), "id"),
        (encoded({"id": "x" * 201, "text": "a"}), "id"),
        (encoded({"id": 1, "text": True}), "text"),
        (encoded({"id": 1, "text": ["a"] * 51}), "text"),
    ],
    ids=lambda v: repr(v[:24]) if isinstance(v, bytes) else v,
)
def test_what_cannot_be_read(raw: bytes, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_task(raw, TaskFields())
    assert caught.value.field == field


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode) | st.builds(encoded, st.dictionaries(
    st.sampled_from(["id", "text", "body", "tenant_id", "options", "resume_url"]),
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
                 lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3)),
)))  # fmt: skip
def test_any_element_is_a_task_or_refused(raw: bytes) -> None:
    try:
        task = parse_task(raw, TaskFields())
    except Invalid:
        return
    assert task.task_id
    assert all(isinstance(text, str) for text in task.texts)
