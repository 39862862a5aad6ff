"""Several devices, negation, correction, and what is known from before."""

from __future__ import annotations

from battcrm.models.facts import Candidate
from tests.unit.extraction.gazetteer.support import devices, facts, known


def test_a_list_names_each_device() -> None:
    assert facts("айфон 11, 12 и 13 про стекла сколько") == [
        ("Apple", "iPhone 11"),
        ("Apple", "iPhone 12"),
        ("Apple", "iPhone 13 Pro"),
    ]
    assert facts("самсунг а51/а52") == [("Samsung", "Galaxy A51"), ("Samsung", "Galaxy A52")]
    assert facts("айфон 12 и редми 9") == [("Apple", "iPhone 12"), ("Xiaomi", "Redmi 9")]
    assert facts("айфон 12, 3 года служит") == [("Apple", "iPhone 12")]


def test_negated_device_is_marked_and_the_right_one_corrects() -> None:
    wrong, right = devices("у меня не айфон 12 а 12 про, батарея")
    assert wrong.negated
    assert right.model is not None
    assert right.model.value == "iPhone 12 Pro"
    assert right.corrected
    maker, named = devices("не айфон, а самсунг а51")
    assert maker.negated
    assert named.corrected
    first, second = devices("самсунг а52, а не а51")
    assert not first.negated
    assert second.negated


def test_taken_back_words_make_a_correction() -> None:
    for text in ("ой перепутал, айфон 13", "точнее айфон 13", "вернее, айфон 13", "имел в виду айфон 13"):
        (found,) = devices(text)
        assert found.corrected, text
    first, second = devices("айфон 12, ой нет, 13 про")
    assert not first.corrected
    assert second.corrected
    assert second.model is not None
    assert second.model.value == "iPhone 13 Pro"


def test_known_maker_settles_a_bare_name() -> None:
    assert facts("12 про", known("Apple")) == [("Apple", "iPhone 12 Pro")]
    assert facts("12 про", known("Xiaomi")) == [("Xiaomi", "Xiaomi 12 Pro")]
    assert facts("11", known("Apple")) == [("Apple", "iPhone 11")]
    assert facts("у меня 13", known("Apple")) == [("Apple", "iPhone 13")]
    assert facts("приду в 12", known("Apple")) == []
    assert facts("сыну 11", known("Apple")) == []


def test_modifiers_alone_upgrade_the_known_model() -> None:
    for text, model in (("а про макс?", "iPhone 12 Pro Max"), ("точнее мини", "iPhone 12 mini")):
        (found,) = devices(text, known("Apple", "iPhone 12 Pro"))
        assert found.model is not None
        assert found.model.value == model
        assert found.corrected
    assert facts("про цену скажите", known("Apple", "iPhone 12")) == []
    assert facts("обычный", known("Apple", "iPhone 12 Pro")) == [("Apple", "iPhone 12")]
    assert facts("обычный ремонт сколько", known("Apple", "iPhone 12 Pro")) == []


def test_names_are_read_after_the_known_line() -> None:
    assert facts("не 11s а 11 pro", known("Xiaomi", "Redmi Note 11S")) == [("Xiaomi", "Redmi Note 11 Pro")]
    assert facts("он девятый", known("Apple", "iPad 8")) == [("Apple", "iPad 9")]
    assert facts("айпад 8 и 9") == [("Apple", "iPad 8"), ("Apple", "iPad 9")]
    assert facts("макита hr2470 и ddf483") == [("Makita", "HR2470"), ("Makita", "DDF483")]
    assert facts("дайсон v8 орёт, и v11 не заряжается") == [("Dyson", "V8"), ("Dyson", "V11")]


def test_an_unknown_maker_keeps_its_model() -> None:
    assert facts("oysters v5s не включается") == []


def test_everyday_words_need_support() -> None:
    for text in ("павильон 12, второй этаж?", "у нас рено логан", "гугл аккаунт забыл", "легион друзей"):
        assert facts(text) == [], text
    assert facts("легион 5 про греется") == [("Lenovo", "Legion 5 Pro")]
    assert facts("ноутбук павильон 15") == [("HP", "Pavilion 15")]
    assert facts("рено 5 экран") == [("OPPO", "OPPO Reno 5")]


def test_a_maker_answers_a_choice() -> None:
    choice = (Candidate("Apple", "iPhone 12 Pro", 0.5), Candidate("Xiaomi", "Xiaomi 12 Pro", 0.5))
    assert facts("айфон", known("", None, choice)) == [("Apple", "iPhone 12 Pro")]


def test_maker_and_name_apart_become_one_device() -> None:
    assert facts("айфон, экран разбит. модель 12 про") == [("Apple", "iPhone 12 Pro")]
    assert facts("12 про, экран разбит, айфон") == [("Apple", "iPhone 12 Pro")]
    assert facts("у меня редми, модель 9а") == [("Xiaomi", "Redmi 9A")]


def test_spans_point_into_the_original() -> None:
    text = "Разбил\u200b экран на Айфоне 13 Про!!"
    (found,) = devices(text)
    assert found.model is not None
    (span,) = found.model.spans
    assert text[span.start : span.end] == "Айфоне 13 Про"


def test_a_letter_that_reads_two_ways_after_a_slip_makes_no_model() -> None:
    assert facts("ыфьыгтп ф52") == [("Samsung", "Galaxy A52")]
    assert facts("ыфьыгтп а52") == [("Samsung", None)]
    assert facts("чшфщьш кувьш тщеу 11е") == [("Xiaomi", None)]
    assert facts("чшфщьш кувьш 9а") == [("Xiaomi", "Redmi 9A")]


def test_a_preposition_after_a_maker_is_no_model() -> None:
    assert facts("самсунг у меня есть") == [("Samsung", None)]
    assert facts("на s21 самсунг у нас") == [("Samsung", "Galaxy S21")]
    assert facts("айфон х") == [("Apple", "iPhone X")]


def test_a_code_written_apart_is_read_beside_its_maker() -> None:
    assert facts("а 51 самсунг экран") == [("Samsung", "Galaxy A51")]
    assert facts("а 51 экран", known("Samsung")) == [("Samsung", "Galaxy A51")]
    assert facts("а 51 экран") == []
    assert facts("а 11?", known("Samsung", "Galaxy S20")) == [(None, None)]
    assert facts("самсунг s20, а 11 сколько?") == [("Samsung", "Galaxy S20"), (None, None)]
    assert facts("а 12 про экран", known("Apple", "iPhone 12")) == [("Apple", "iPhone 12 Pro")]
    assert facts("самсунг а51 экран, а 12 тысяч дорого") == [("Samsung", "Galaxy A51")]


def test_an_english_article_is_no_letter_of_a_model() -> None:
    assert facts("how much for a 12 screen?") == []
    assert facts("I have an iPhone, it's a 13 pro") == [("Apple", "iPhone 13 Pro")]
    assert facts("how much for an A12 screen?") == [("Samsung", "Galaxy A12")]
    assert facts("samsung a 12, cracked screen") == [("Samsung", "Galaxy A12")]


def test_what_a_device_shows_is_not_its_name() -> None:
    assert facts("самокат куго м4 про пишет ошибку е10") == [("Kugoo", "M4 Pro")]


def test_each_owner_has_a_device() -> None:
    assert facts("у жены 11 айфон а у меня 13") == [("Apple", "iPhone 11"), ("Apple", "iPhone 13")]
    assert facts("сыну 11, айфон разбил") == [("Apple", None)]


def test_a_modifier_makes_a_number_a_name_even_after_a_word_of_time() -> None:
    assert facts("дисплей к 13 прошке, айфон") == [("Apple", "iPhone 13 Pro")]
    assert facts("подъеду к 13, айфон") == [("Apple", None)]


def test_a_plain_one_is_denied_like_any_other() -> None:
    for text in ("galaxy tab s6 lite, не обычный s6, экран", "galaxy a52s, не просто a52, экран"):
        named, denied = devices(text)
        assert (named.negated, denied.negated) == (False, True), text


def test_a_number_told_as_a_device_goes_on_from_the_maker_before() -> None:
    for text, models in (
        ("у меня айфон 13, и у жены 12", ["iPhone 13", "iPhone 12"]),
        ("был айфон 8, теперь 11", ["iPhone 8", "iPhone 11"]),
        ("у брата айфон 12 живет, а мой 13 про сел", ["iPhone 12", "iPhone 13 Pro"]),
        ("экран на айфон 13? Нет, на 12.", ["iPhone 13", "iPhone 12"]),
        ("редми нот 12, точнее сказать 12 про плюс", ["Redmi Note 12", "Redmi Note 12 Pro+"]),
        ("дисплей от редми ноут 10s на ноут 10", ["Redmi Note 10S", "Redmi Note 10"]),
    ):
        assert [model for _, model in facts(text)] == models, text


def test_times_counts_and_ages_go_on_from_no_device() -> None:
    for text in (
        "айфон 12 экран, запишите на 13",
        "айфон 12 экран, можно подойти на 14?",
        "айфон 12 экран, это мой 5 телефон",
        "айфон 12 у сына, сыну 11",
        "айфон 12 экран, на 13 ноября",
        "айфон 12, на 15 минут хватает",
        "айфон 12, телефон 8 900 000-00-00",
        "айфон 12 экран, не путать с 12 про",
        "айфон 12, первый раз сломался",
        "айфон 12 под 13 системой",
    ):
        assert facts(text) == [("Apple", "iPhone 12")], text


def test_an_ordinal_after_a_list_points_back_to_it() -> None:
    assert facts("ps5 и ps4, первая шумит") == [("Sony", "PlayStation 5"), ("Sony", "PlayStation 4")]
