"""What a platform cannot do is said in another way, and nothing is lost on the way."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from battcrm.kit.errors import OutcomeUnknown, Permanent, RateLimited
from battcrm.models.outgoing import OutAttachment, OutButton, OutgoingCommand, Sent
from battcrm.transport.base import Capabilities
from battcrm.transport.degrade import Piece, measure, native_buttons, plan, split_text, with_numbered
from battcrm.transport.sending import send_pieces

CAPS = Capabilities(
    text_limit=100,
    caption_limit=20,
    buttons=3,
    buttons_per_row=2,
    button_title_limit=10,
    button_payload_limit=8,
    attachments_out=frozenset({"photo"}),
)
YES_NO = ((OutButton("Да", "y"), OutButton("Нет", "n")),)


def command(text: str = "", **fields: object) -> OutgoingCommand:
    return OutgoingCommand("k", "chat", text, **fields)  # type: ignore[arg-type]


@given(st.text(st.characters(codec="utf-8"), max_size=400), st.integers(2, 60), st.sampled_from(["chars", "utf16"]))
def test_split_keeps_every_visible_character_in_order_and_the_limit(text: str, limit: int, unit: str) -> None:
    parts = split_text(text, limit, unit)
    assert all(0 < measure(p, unit) <= limit for p in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


@given(st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=9), max_size=80))
def test_split_cuts_no_word_that_fits(words: list[str]) -> None:
    parts = split_text(" ".join(words), 30)
    assert " ".join(parts).split() == " ".join(words).split()


def test_split_prefers_paragraph_then_sentence_then_word() -> None:
    assert split_text("Первый абзац тут.\n\nВторой абзац. И ещё слова", 34) == [
        "Первый абзац тут.",
        "Второй абзац. И ещё слова",
    ]
    assert split_text("Экран стоит дорого. Батарея дёшево", 25) == ["Экран стоит дорого.", "Батарея дёшево"]
    assert split_text("одно два три четыре", 14) == ["одно два три", "четыре"]


def test_split_counts_utf16_and_keeps_characters_whole() -> None:
    parts = split_text("👍🏻" * 30, 10, "utf16")
    assert "".join(parts) == "👍🏻" * 30
    assert all(measure(p, "utf16") <= 10 for p in parts)
    decomposed = unicodedata.normalize("NFD", "й" * 40)
    assert all(not unicodedata.combining(p[0]) for p in split_text(decomposed, 7))


def test_buttons_are_native_when_they_fit_and_rewrapped_to_the_width() -> None:
    row = (OutButton("а", "1"), OutButton("б", "2"), OutButton("в", "3"))
    native = native_buttons((row,), CAPS)
    assert native is not None
    assert [[b.title for b in r] for r in native] == [["а", "б"], ["в"]]


@pytest.mark.parametrize(
    "rows",
    [
        tuple((OutButton(str(n), str(n)),) for n in range(4)),
        ((OutButton("длиннее десяти", "x"),),),
        ((OutButton("Да", "яяяяя"),),),
        ((OutButton("Сайт", kind="url", url="https://example.org"),),),
        ((OutButton("Номер", kind="contact"),),),
    ],
)
def test_buttons_that_do_not_fit_are_text(rows: tuple[tuple[OutButton, ...], ...]) -> None:
    assert native_buttons(rows, CAPS) is None
    (piece,) = plan(command("Что?", buttons=rows), replace(CAPS, text_limit=4000))
    assert piece.buttons == ()
    assert all(b.title in piece.text for row in rows for b in row)
    assert all(b.url in piece.text for row in rows for b in row if b.url)


def test_numbers_count_only_choices() -> None:
    rows = ((OutButton("Да"), OutButton("Карта", kind="url", url="https://m.example"), OutButton("Нет")),)
    assert with_numbered("Едете?", rows) == "Едете?\n\n1. Да\nКарта: https://m.example\n2. Нет"


def test_buttons_stay_on_the_last_part() -> None:
    pieces = plan(command("слово " * 40, buttons=YES_NO), CAPS)
    assert len(pieces) > 1
    assert [bool(p.buttons) for p in pieces] == [False] * (len(pieces) - 1) + [True]


def test_caption_over_its_limit_follows_the_media() -> None:
    photo = OutAttachment("photo", path="a.png")
    assert plan(command("коротко", attachments=(photo,)), CAPS) == (Piece("коротко", (), photo),)
    assert plan(command("д" * 21, attachments=(photo,)), CAPS) == (Piece("", (), photo), Piece("д" * 21))
    assert plan(command("ок", attachments=(photo,)), replace(CAPS, caption_limit=None)) == (
        Piece("", (), photo),
        Piece("ок"),
    )


def test_attachment_of_a_kind_the_platform_lacks() -> None:
    voice = OutAttachment("voice", url="https://files.example/1.ogg")
    assert plan(command("Ответ", attachments=(voice,)), CAPS) == (Piece("Ответ\nhttps://files.example/1.ogg"),)
    documents = replace(CAPS, attachments_out=frozenset({"document"}))
    (piece,) = plan(command("Ответ", attachments=(OutAttachment("voice", path="a.ogg"),)), documents)
    assert piece.attachment == OutAttachment("document", path="a.ogg")
    with pytest.raises(Permanent):
        plan(command("Ответ", attachments=(OutAttachment("voice", path="a.ogg"),)), CAPS)
    with pytest.raises(Permanent):
        plan(command("  "), CAPS)


async def test_a_failure_after_the_first_piece_is_unknown_and_before_it_is_itself() -> None:
    failing_at = 1

    async def send(piece: Piece, index: int) -> Sent:
        if index == failing_at:
            raise RateLimited("slow down", retry_after=3)
        return Sent(f"id{index}")

    pieces = [Piece("a"), Piece("b"), Piece("c")]
    with pytest.raises(OutcomeUnknown) as caught:
        await send_pieces(pieces, send)
    assert caught.value.code == "partial"
    with pytest.raises(RateLimited):
        await send_pieces(pieces, send, idempotent=True)
    failing_at = 0
    with pytest.raises(RateLimited):
        await send_pieces(pieces, send)
    failing_at = 9
    assert await send_pieces(pieces, send) == Sent("id2", None, ("id0", "id1"))
