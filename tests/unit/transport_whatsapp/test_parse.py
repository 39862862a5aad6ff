"""WhatsApp cases beyond the samples, and bodies as no platform should send them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battcrm.kit.errors import Invalid
from tests.unit.transport_whatsapp.bodies import (
    BSUID,
    NUMBER,
    PHONE,
    attachment,
    body,
    card,
    many,
    message,
    one,
    value,
)


def text(number: int = 1, said: str = "Привет", **fields: Any) -> dict[str, Any]:
    return message(number, type="text", text={"body": said}, **fields)


def test_every_entry_change_and_message_of_a_post_is_read() -> None:
    first = value(messages=[text(1, "Раз"), text(2, "Два")], statuses=[{"id": "w", "status": "read"}])
    second = value(messages=[text(3, "Три")])
    document = body(first, second)
    document["entry"][1]["changes"].append({"field": "messages", "value": value(messages=[text(4, "Четыре")])})
    found = many(document)
    assert [m["message"]["text"] for m in found if m["kind"] == "message"] == ["Раз", "Два", "Три", "Четыре"]
    assert [m["status"]["state"] for m in found if m["kind"] == "status"] == ["read"]
    assert len({m["dedup_key"] for m in found}) == 5


def test_one_broken_message_never_costs_the_others() -> None:
    broken: list[Any] = [None, 7, "x", [], {}, {"type": "text"}, {"from": PHONE, "type": {"a": 1}}]
    broken += [
        message(9, type="image", image="x"),
        message(10, type="contacts", contacts={}),
        message(11, type="order"),
    ]
    found = many(body(value(contacts={"a": 1}, messages=[*broken, text(1, "Я цел")]), "junk", None))
    assert found[-1]["message"]["text"] == "Я цел"
    assert len(found) == 7
    assert all(m["conversation"]["id"] and m["dedup_key"] for m in found)
    assert [m["direction"] for m in found] == ["service", "service", "in", "in", "in", "in", "in"]
    assert found[0]["conversation"]["id"] == NUMBER


def test_a_person_without_a_phone_is_known_by_the_scoped_id() -> None:
    item = text()
    del item["from"]
    profile = {"profile": {"name": "Ольга", "username": "olga_fix"}, "user_id": BSUID, "parent_user_id": "RU.ENT.1"}
    found = one(body(value(contacts=[profile], messages=[item])))
    assert found["conversation"]["id"] == found["sender"]["id"] == BSUID
    assert found["sender"]["alt_ids"] == [BSUID, "RU.ENT.1"]
    assert (found["sender"]["phone"], found["sender"]["phone_verified"]) == (None, False)
    assert (found["sender"]["display_name"], found["sender"]["username"]) == ("Ольга", "olga_fix")


def test_a_person_without_a_scoped_id_is_known_by_the_phone() -> None:
    item = text()
    del item["from_user_id"]
    found = one(body(value(contacts=[{"profile": {"name": "Ольга"}, "wa_id": PHONE}], messages=[item])))
    assert (found["conversation"]["id"], found["sender"]["alt_ids"]) == (PHONE, [PHONE])
    assert (found["sender"]["phone"], found["sender"]["phone_verified"]) == ("+79000009911", True)


def test_names_go_to_their_owners() -> None:
    other = text(2) | {"from": "79000001111", "from_user_id": "RU.2"}
    cards = [card(), {"profile": {"name": "Ольга"}, "wa_id": "79000001111", "user_id": "RU.2"}]
    found = many(body(value(contacts=cards, messages=[other, text(1)])))
    assert [m["sender"]["display_name"] for m in found] == ["Ольга", "Алексей П."]
    stranger = text(3) | {"from": "79000002222", "from_user_id": "RU.3"}
    assert one(body(value(contacts=[card()], messages=[stranger])))["sender"]["display_name"] is None


def test_a_failed_status_tells_why_and_that_a_template_is_needed() -> None:
    error = {"code": 131047, "title": "Re-engagement message", "error_data": {"details": "More than 24 hours."}}
    item = {"id": "w1", "status": "failed", "timestamp": "1795338500", "recipient_id": PHONE, "errors": [error]}
    found = one(body(value(statuses=[item | {"biz_opaque_callback_data": "row-1"}])))
    assert found["status"]["error"] == {"code": "131047", "text": "More than 24 hours."}
    assert (found["status"]["state"], found["status"]["client_ref"]) == ("failed", "row-1")
    assert found["window"] == {"expires_at": None, "template_required": True}
    assert found["conversation"]["id"] == PHONE
    other = item | {"errors": [{"code": 131026, "title": "Message undeliverable"}]}
    found = one(body(value(statuses=[other])))
    assert (found["status"]["error"]["text"], found["window"]) == ("Message undeliverable", None)


def test_played_is_read_but_another_event_and_odd_states_are_no_delivery() -> None:
    states = [
        {"id": "w", "status": s, "recipient_id": PHONE} for s in ("read", "played", "deleted", "warning", None, 5)
    ]
    found = many(body(value(statuses=[*states, {"status": "sent"}])))
    assert [m["status"]["state"] for m in found] == ["read", "read"]
    assert len({m["dedup_key"] for m in found}) == 2


@pytest.mark.parametrize(
    ("interactive", "payload", "title"),
    [
        ({"type": "list_reply", "list_reply": {"id": "v:1", "title": "АКБ", "description": "x"}}, "v:1", "АКБ"),
        ({"type": "nfm_reply", "nfm_reply": {"response_json": '{"a":1}', "body": "Sent"}}, '{"a":1}', "Sent"),
    ],
)
def test_interactive_replies(interactive: dict[str, Any], payload: str, title: str) -> None:
    found = one(body(value(messages=[message(type="interactive", interactive=interactive, context={"id": "w0"})])))
    assert found["kind"] == "button"
    assert (found["button"]["payload"], found["button"]["title"]) == (payload, title)
    assert found["button"]["source_message_id"] == "w0"


def test_a_quick_reply_of_a_template_is_a_button() -> None:
    pressed = message(type="button", button={"payload": "order:813:pickup", "text": "Заберу"})
    found = one(body(value(messages=[pressed])))
    assert (found["kind"], found["message"]["text"]) == ("button", "Заберу")
    assert (found["button"]["payload"], found["button"]["title"]) == ("order:813:pickup", "Заберу")


@pytest.mark.parametrize("part", [{"message_id": "w9"}, {"message_id": "w9", "emoji": ""}])
def test_a_reaction_without_emoji_is_taken_back(part: dict[str, Any]) -> None:
    found = one(body(value(messages=[message(type="reaction", reaction=part)])))
    assert (found["kind"], found["message"]["text"], found["reply_to"]["id"]) == ("reaction", None, "w9")
    assert found["window"] is None


def test_an_edited_caption_keeps_its_picture() -> None:
    inner = {"type": "image", "image": {"id": "77", "mime_type": "image/jpeg", "caption": "Скол"}}
    edit = message(type="edit", edit={"original_message_id": "w0", "message": inner})
    found = one(body(value(messages=[edit])))
    assert (found["kind"], found["message"]["id"], found["message"]["text"]) == ("edit", "w0", "Скол")
    assert found["message"]["attachments"] == [attachment(kind="photo", ref="77", mime="image/jpeg")]


def test_an_edit_without_a_target_is_unsupported_not_lost() -> None:
    found = many(body(value(messages=[message(1, type="edit", edit={}), message(2, type="revoke")])))
    assert [m["kind"] for m in found] == ["unsupported", "unsupported"]


def test_echoes_of_the_phone_app_are_ours() -> None:
    echo: dict[str, Any] = {
        "from": "79000007788",
        "to": PHONE,
        "to_user_id": BSUID,
        "id": "w5",
        "timestamp": "1795338100",
    }
    echo |= {"type": "text", "text": {"body": "Готово"}}
    found = one(body(value(message_echoes=[echo]), field="smb_message_echoes"))
    assert (found["direction"], found["kind"], found["message"]["text"]) == ("out", "message", "Готово")
    assert (found["sender"]["is_us"], found["sender"]["id"]) == (True, NUMBER)
    assert found["conversation"]["id"] == BSUID
    assert (found["window"], found["source"]) == (None, None)


def test_a_changed_number_links_the_old_and_the_new() -> None:
    change = {"type": "user_changed_number", "wa_id": "79000003333", "body": "A changed to B"}
    item = {"from": PHONE, "id": "w6", "timestamp": "1795338100", "type": "system", "system": change}
    found = one(body(value(messages=[item])))
    assert (found["kind"], found["direction"]) == ("message", "service")
    assert (found["conversation"]["id"], found["sender"]["id"]) == (PHONE, PHONE)
    assert found["sender"]["alt_ids"] == [PHONE, "79000003333"]
    assert (found["sender"]["phone"], found["message"]["text"]) == ("+79000003333", "A changed to B")
    scoped = {"type": "user_changed_user_id", "user_id": "MX.2", "previous_user_id": "CO.1"}
    found = one(body(value(messages=[{"id": "w7", "type": "system", "system": scoped}])))
    assert (found["sender"]["id"], found["sender"]["alt_ids"]) == ("CO.1", ["CO.1", "MX.2"])


def test_errors_of_the_account_are_service() -> None:
    error = {"code": 130429, "title": "Rate limit hit", "message": "Rate limit hit"}
    document = body(value(errors=[error, error]))
    found = many(document)
    assert [(m["kind"], m["direction"], m["status"]["error"]["code"]) for m in found] == [
        ("unsupported", "service", "130429")
    ] * 2
    assert len({m["dedup_key"] for m in found}) == 2
    assert [m["dedup_key"] for m in many(document)] == [m["dedup_key"] for m in found]


def test_calls() -> None:
    call = {"id": "wacid.1", "from": PHONE, "to": "79000007788", "event": "terminate", "timestamp": "1795338100"}
    found = one(body(value(calls=[call | {"status": "COMPLETED"}]), field="calls"))
    assert (found["kind"], found["direction"], found["conversation"]["id"]) == ("call", "in", PHONE)
    ours = call | {"from": "79000007788", "to": PHONE, "event": "connect"}
    found = one(body(value(calls=[ours]), field="calls"))
    assert (found["direction"], found["conversation"]["id"]) == ("out", PHONE)


def test_forwarded_and_a_product_asked_about() -> None:
    found = one(body(value(messages=[text(context={"frequently_forwarded": True})])))
    assert found["forwarded"] == {"from": None, "id": None, "text": None}
    assert found["reply_to"] is None
    product = {"from": "79000007788", "id": "w0", "referred_product": {"product_retailer_id": "akb-13"}}
    assert one(body(value(messages=[text(context=product)])))["source"]["item_id"] == "akb-13"


def test_a_post_referral_is_a_source_without_the_ads_window() -> None:
    referral = {"source_type": "post", "source_id": "5", "source_url": "https://fb.me/5", "headline": "Пост"}
    found = one(body(value(messages=[text(referral=referral)])))
    assert (found["source"]["ad"]["id"], found["source"]["ref_source"]) == ("5", "post")
    assert found["conversation"]["context"] is None
    assert found["window"]["expires_at"] == "2026-11-23T09:01:40.000Z"


@pytest.mark.parametrize(
    ("said", "ref"),
    [
        ("Здравствуйте! код 2ГИС-14", "2ГИС-14"),
        ("Код: yandex-7 хочу починить", "yandex-7"),
        ("пишет код ошибки 4013", None),
        ("код 1234", None),
        ("код разблокировки", None),
    ],
)
def test_a_code_in_the_prefilled_text_is_the_ref(said: str, ref: str | None) -> None:
    source = one(body(value(messages=[text(said=said)])))["source"]
    assert (source and source["ref"]) == ref


def test_cards_of_others_and_without_wa_id() -> None:
    people = [
        {"name": {"formatted_name": "Мастер"}, "phones": [{"phone": "8 (900) 000-11-22"}], "org": {"company": "СЦ"}},
        {"name": {"first_name": "Имя"}, "phones": [{"phone": "доб. 12"}, {"wa_id": PHONE}, {}]},
        {},
    ]
    found = one(body(value(messages=[message(type="contacts", contacts=people)])))["message"]["attachments"]
    assert found == [
        attachment(kind="contact", name="Мастер", phones=["+79000001122"], title="СЦ", verified=False),
        attachment(kind="contact", name="Имя", phones=["доб. 12", "+79000009911"], verified=True),
        attachment(kind="contact", verified=False),
    ]


def test_media_with_an_address_expires_in_five_minutes() -> None:
    video = {"id": "5", "mime_type": "video/mp4", "url": "https://lookaside.example/5"}
    (found,) = one(body(value(messages=[message(type="video", video=video)])))["message"]["attachments"]
    assert (found["kind"], found["url_expires_at"]) == ("video", "2026-11-22T09:06:40.000Z")


def test_orders_welcome_requests_groups_and_types_to_come() -> None:
    goods = {"text": "Возьму", "product_items": [{"product_retailer_id": "a", "item_price": 5.5, "currency": "RUB"}]}
    items = [
        message(1, type="order", order=goods),
        message(2, type="request_welcome"),
        text(3, group_id="g1"),
        message(4, type="poll_creation", poll_creation={}),
    ]
    order, welcome, group, poll = many(body(value(messages=items)))
    assert order["message"]["attachments"] == [attachment(kind="item", ref="a", price="5.5 RUB")]
    assert welcome["kind"] == "start"
    assert group["conversation"] == {"id": "g1", "type": "group", "context": None}
    assert (poll["kind"], poll["message"]["attachments"][0]["title"]) == ("unsupported", "poll_creation")


def test_other_numbers_of_the_application_are_other_channels() -> None:
    document = body(value("999", messages=[text(1, "чужое")]), value(messages=[text(2, "наше")]))
    assert [m["message"]["text"] for m in many(document)] == ["наше"]
    assert [(m["account_ref"], m["message"]["text"]) for m in many(document, None)] == [
        ("999", "чужое"),
        (NUMBER, "наше"),
    ]


@pytest.mark.parametrize("field", ["message_template_status_update", "account_update", "history", "flows", None, 5, []])
def test_other_fields_are_not_about_a_dialogue(field: Any) -> None:
    assert many(body(value(messages=[text()]), field=field)) == []


def test_another_products_webhook_is_nothing_for_us() -> None:
    assert many({"object": "instagram", "entry": [{"id": "1", "messaging": []}]}) == []


@pytest.mark.parametrize("document", [{}, {"object": "whatsapp_business_account"}, {"entry": []}, []])
def test_not_a_graph_webhook(document: Any) -> None:
    with pytest.raises(Invalid):
        many(document)


@pytest.mark.parametrize("stamp", ["", "soon", "-5", "99999999999999999", 1.5, None, True, "253402300799"])
def test_a_senseless_time_costs_only_the_time(stamp: Any) -> None:
    found = one(body(value(messages=[text(timestamp=stamp)])))
    assert found["message"]["text"] == "Привет"
    assert found["window"] is None


@settings(max_examples=150, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from(
        [
            "text",
            "image",
            "contacts",
            "location",
            "interactive",
            "button",
            "reaction",
            "edit",
            "revoke",
            "order",
            "referral",
            "context",
            "id",
            "from",
            "from_user_id",
            "type",
            "system",
            "errors",
            "group_id",
        ]
    ),
)
def test_any_part_of_any_shape_leaves_its_neighbour_whole(content: Any, name: str) -> None:
    damaged = message(1, type=name) | {name: content}
    found = many(body(value(messages=[damaged, text(2, "Я цел")])))
    assert len(found) == 2
    assert found[1]["message"]["text"] == "Я цел"
    json.dumps(found)
