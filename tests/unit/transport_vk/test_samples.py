"""VK samples; every expectation is written by hand from the platform's documentation."""

from __future__ import annotations

from typing import Any

import pytest

from battcrm.kit.errors import Invalid
from tests.unit.transport_vk.bodies import (
    NOTHING,
    PHOTO,
    SAMPLES,
    START,
    WRITER,
    attachment,
    button,
    document,
    many,
    one,
    said,
    sample,
)

DOCUMENT = attachment(
    kind="document",
    ref="doc612345987_672110045_77ab12cd",
    url="https://vk.ru/doc612345987_672110045?hash=demo&dl=demo&api=1&no_preview=1",
    size=98120,
    filename="Чек 14-03.pdf",
)
VOICE = attachment(
    kind="voice",
    ref="audio_message612345987_672110101_a1b2c3",
    url="https://psv4.userapi.example/c/voice/672110101.ogg",
    mime="audio/ogg",
    duration=7,
)
STICKER = attachment(kind="sticker", ref="9018", url="https://vk.example/sticker/1-9018-64", width=64, height=64)

EXPECTED: dict[str, dict[str, Any]] = {
    "message_new_text": document(
        "message",
        "612345987:81:message",
        occurred_at="2026-11-22T09:24:41.000Z",
        sender=WRITER,
        message=said(1481, "Добрый день! Ноутбук ASUS не включается после того как пролили чай. Возьмётесь?"),
    ),
    "message_new_phone_in_text": document(
        "message",
        "612345987:92:message",
        occurred_at="2026-11-22T09:24:52.000Z",
        sender=WRITER | {"phone": "+79000005566"},
        message=said(1492, "Мой номер 8 900 000 55 66, перезвоните после шести"),
    ),
    "message_new_photo": document(
        "message",
        "612345987:84:message",
        occurred_at="2026-11-22T09:24:44.000Z",
        sender=WRITER,
        message=said(1484, "Вот трещина, стекло или матрица?", attachments=[PHOTO]),
    ),
    "message_new_document": document(
        "message",
        "612345987:86:message",
        occurred_at="2026-11-22T09:24:46.000Z",
        sender=WRITER,
        message=said(1486, "Чек от прошлого ремонта", attachments=[DOCUMENT]),
    ),
    "message_new_audio_message": document(
        "message",
        "612345987:87:message",
        occurred_at="2026-11-22T09:24:47.000Z",
        sender=WRITER,
        message=said(1487, None, attachments=[VOICE]),
    ),
    "message_new_sticker": document(
        "message",
        "612345987:89:message",
        occurred_at="2026-11-22T09:24:49.000Z",
        sender=WRITER,
        message=said(1489, None, attachments=[STICKER]),
    ),
    "message_new_start_button": document(
        "start",
        "612345987:82:message",
        occurred_at="2026-11-22T09:24:42.000Z",
        sender=WRITER,
        message=said(1482, "Начать"),
        button=button(payload=START, title="Начать"),
    ),
    "message_new_ref": document(
        "start",
        "612345987:83:message",
        occurred_at="2026-11-22T09:24:43.000Z",
        sender=WRITER,
        message=said(1483, "Начать"),
        button=button(payload=START, title="Начать"),
        source={"ref": "utm_yandex_maps", "ref_source": "qr_vitrina", "utm": {}, "ad": None, "item_id": None},
    ),
    "message_event": document(
        "button",
        "612345987:95:button:c6a1d0f7e52b",
        button=button(payload='{"a":"approve","order":813}', source_message_id="95", ack_ref="c6a1d0f7e52b"),
    ),
    "message_allow": document(
        "allow",
        "a02917c4d306059e3db67b4bd1bd2487f295b33c",
        source={"ref": "site_widget", "ref_source": None, "utm": {}, "ad": None, "item_id": None},
    ),
    "message_deny": document("deny", "0902ebc5fa9ea001c75827d1030e1cda496c86ec"),
    "message_read": document(
        "status",
        "612345987:1600:status:read",
        direction="service",
        message=NOTHING | {"seq": "200"},
        status={
            "message_id": None,
            "state": "read",
            "up_to": "1600",
            "error": None,
            "client_ref": None,
            "pricing": None,
        },
    ),
    "message_typing_state": document("typing", "991342c5b816661ffbc01dca950b24f319b85729"),
    "longpoll_response": document(
        "message",
        "612345987:94:message",
        occurred_at="2026-11-22T09:24:54.000Z",
        sender=WRITER,
        message=said(1494, "А по выходным работаете?"),
    ),
}
NOT_FOR_US = ["confirmation", "confirmation_with_secret"]
API_ANSWERS = [*sorted(p.stem for p in SAMPLES.glob("api_*.json")), "longpoll_failed_1", "longpoll_failed_2"]


@pytest.mark.parametrize("name", EXPECTED)
def test_sample(name: str) -> None:
    got = one(sample(name))
    del got["event_id"], got["raw"]
    assert got == EXPECTED[name]


@pytest.mark.parametrize("name", NOT_FOR_US)
def test_authentic_but_nothing_for_us(name: str) -> None:
    assert many(sample(name)) == []


@pytest.mark.parametrize("name", API_ANSWERS)
def test_api_answers_are_no_events(name: str) -> None:
    with pytest.raises(Invalid):
        many(sample(name))


def test_every_sample_has_an_expectation() -> None:
    assert sorted(p.stem for p in SAMPLES.glob("*.json")) == sorted([*EXPECTED, *NOT_FOR_US, *API_ANSWERS])
