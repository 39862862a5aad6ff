from __future__ import annotations

import pytest

from battcrm.graph.pricing import Refusal
from battcrm.models.facts import Method
from battcrm.models.outgoing import OutState
from battcrm.models.situation import Action
from battcrm.resolution.reasons import Why
from battcrm.response.reasons import Reason, Rejection
from battcrm.services.explain_labels import LANGUAGES, name_of, rejected_name


@pytest.mark.parametrize(
    ("table", "codes"),
    [
        ("reason", [*Reason]),
        ("route", [*Why]),
        ("rejection", [*Rejection, *Refusal]),
        ("action", [*Action]),
        ("method", [*Method]),
        ("state", [*OutState]),
    ],
)
def test_every_code_of_the_core_has_a_name_in_each_language(table: str, codes: list[str]) -> None:
    nameless = [
        (str(c), language) for c in codes for language in LANGUAGES if name_of(table, str(c), language) == str(c)
    ]
    # English names of one plain word may equal their code.
    assert [(code, language) for code, language in nameless if language == "ru" or "_" in code] == []


def test_an_unknown_code_is_shown_as_it_is() -> None:
    assert name_of("reason", "shop_specific", "ru") == "shop_specific"
    assert name_of("reason", None, "ru") == ""


@pytest.mark.parametrize(
    ("what", "because", "ru", "en"),
    [
        ("ask_model", "already_known", "спросить «модель»: уже известно", "ask «model»: already known"),
        ("quote:screen", "no_quote_in_data", "назвать цену (замена экрана): нет данных о цене",
         "name a price (screen replacement): no price in the data"),
        ("auto", "mode_suggest", "отвечает сам: режим подсказок", "answers: suggest mode"),
        ("clarify", "spam", "уточняет: спам", "asks: spam"),
    ],
)  # fmt: skip
def test_rejected_alternatives_read_as_sentences(what: str, because: str, ru: str, en: str) -> None:
    assert (rejected_name(what, because, "ru"), rejected_name(what, because, "en")) == (ru, en)
