"""WhatsApp samples; every expectation is written by hand from the platform's documentation."""

from __future__ import annotations

from typing import Any

import pytest

from battcrm.kit.errors import Invalid
from tests.unit.transport_whatsapp.bodies import (
    BSUID,
    CHAT,
    NOBODY,
    NOTHING,
    OURS,
    SAMPLES,
    attachment,
    document,
    many,
    one,
    sample,
    wamid,
    window,
)


def received(tail: str, at: str, kind: str = "message", **message: Any) -> dict[str, Any]:
    """A message of Alexey's: its document without the parts given by `more`."""
    more = {key: message.pop(key) for key in ("reply_to", "button", "source", "conversation") if key in message}
    until = message.pop("until", f"23T{at}")
    return document(
        kind,
        f"{BSUID}:{wamid(tail)}:{kind}",
        at,
        message=NOTHING | {"id": wamid(tail)} | message,
        window=window(until),
        **more,
    )


def state(name: str, **fields: Any) -> dict[str, Any]:
    pricing = {"billable": False, "pricing_model": "PMP", "type": "free_customer_service", "category": "service"}
    known = {"message_id": OURS, "state": name, "up_to": None, "error": None, "client_ref": None, "pricing": pricing}
    return document(
        "status",
        f"{OURS}:status:{name}",
        "09:08:20",
        direction="service",
        sender=NOBODY,
        status=known | fields,
    )


PRESSED = "wamid.HBgLNzkwMDAwMDk5MTEVAgARGBI5OTk5AA=="
CARD = attachment(kind="contact", name="Алексей Петров", phones=["+79000009911"], verified=True)
PLACE = attachment(
    kind="location", lat=56.838011, lon=60.597465, title="ТЦ «Гринвич»", address="Екатеринбург, ул. 8 Марта, 46"
)
ADVERT = {
    "type": "ad",
    "id": "120210000000000001",
    "title": "Замена батареи за 40 минут",
    "url": "https://fb.me/demoAd",
    "price": None,
}

EXPECTED: dict[str, dict[str, Any]] = {
    "text": received(
        "0001",
        "09:00:01",
        text="Здравствуйте, треснуло заднее стекло на Samsung S23, сколько по деньгам и по времени?",
    ),
    "image": received(
        "0002",
        "09:00:02",
        text="Скол возле камеры",
        attachments=[
            attachment(
                kind="photo",
                ref="1003383421387256",
                mime="image/jpeg",
                sha256="W1pVbq0rYdQ4l8vO8b0E2xv2m6c7yqgZ6m5V1o0aKhE=",
            )
        ],
    ),
    "document": received(
        "0003",
        "09:00:03",
        text="Акт прошлого ремонта",
        attachments=[
            attachment(
                kind="document",
                ref="1003383421387257",
                mime="application/pdf",
                filename="Акт №114.pdf",
                sha256="9q3nFZc1h0cZ0p2m3m0n5rC1hYb2Jq7kTzq8b3pWcXk=",
            )
        ],
    ),
    "voice": received(
        "0004",
        "09:00:04",
        attachments=[
            attachment(
                kind="voice",
                ref="1003383421387258",
                mime="audio/ogg; codecs=opus",
                sha256="m04pFf2ERdaopTyFkGPA0bX3iYY2dYgVFwOgDLSDIqQ=",
            )
        ],
    ),
    "contacts": received("0005", "09:00:05", attachments=[CARD]),
    "location": received("0006", "09:00:06", attachments=[PLACE]),
    "interactive_button_reply": received(
        "0007",
        "09:00:07",
        "button",
        text="Согласен",
        reply_to={"id": PRESSED, "seq": None, "text": None, "from_us": True},
        button={
            "payload": "order:813:approve",
            "title": "Согласен",
            "source_message_id": PRESSED,
            "ack_ref": None,
            "ack_deadline": None,
        },
    ),
    "reply": received(
        "0010",
        "09:00:10",
        text="Да, именно этот телефон",
        reply_to={"id": OURS, "seq": None, "text": None, "from_us": True},
    ),
    "sticker": received(
        "0011",
        "09:00:11",
        attachments=[
            attachment(
                kind="sticker",
                ref="1003383421387259",
                mime="image/webp",
                sha256="OmT4nhjUhCMIPNmj7eeOZeCYjTXkLxoOv85OMCFwSuc=",
            )
        ],
    ),
    "reaction": received(
        "0012", "09:00:12", "reaction", text="👍", reply_to={"id": OURS, "seq": None, "text": None, "from_us": None}
    )
    | {"window": None},
    "edited": document(
        "edit",
        f"{BSUID}:{wamid('0001')}:edit:{wamid('0013')}",
        "09:00:13",
        message=NOTHING
        | {
            "id": wamid("0001"),
            "text": "Здравствуйте, треснуло заднее стекло на Samsung S23 Ultra, сколько по деньгам?",
        },
    ),
    "revoked": document(
        "delete",
        f"{BSUID}:{wamid('0001')}:delete:{wamid('0014')}",
        "09:00:14",
        message=NOTHING | {"id": wamid("0001")},
    ),
    "referral_click_to_whatsapp": received(
        "0015",
        "09:00:15",
        text="Хочу узнать про замену батареи",
        until="25T09:00:15",
        conversation=CHAT | {"context": ADVERT},
        source={
            "ref": "120210000000000001",
            "ref_source": "ad",
            "utm": {},
            "ad": {
                "id": "120210000000000001",
                "clid": "ARDemoClickId0001",
                "url": "https://fb.me/demoAd",
                "headline": "Замена батареи за 40 минут",
            },
            "item_id": None,
        },
    ),
    "unsupported": received(
        "0017", "09:00:17", "unsupported", attachments=[attachment(kind="unknown", title="Message type unknown")]
    ),
    "status_sent": state("sent", client_ref="outbox:5f0c"),
    "status_delivered": state("delivered"),
    "status_read": state("read"),
}
NOT_A_WEBHOOK = [*sorted(p.stem for p in SAMPLES.glob("api_*.json")), "verify_get_query"]


@pytest.mark.parametrize("name", EXPECTED)
def test_sample(name: str) -> None:
    got = one(sample(name))
    del got["event_id"]
    change = sample(name)["entry"][0]["changes"][0]["value"]
    assert got.pop("raw") == (change.get("messages") or change.get("statuses"))[0]
    assert got == EXPECTED[name]


@pytest.mark.parametrize("name", NOT_A_WEBHOOK)
def test_api_answers_are_no_events(name: str) -> None:
    with pytest.raises(Invalid):
        many(sample(name))


def test_every_sample_has_an_expectation() -> None:
    assert sorted(p.stem for p in SAMPLES.glob("*.json")) == sorted([*EXPECTED, *NOT_A_WEBHOOK])
