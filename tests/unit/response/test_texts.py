from __future__ import annotations

import re
from importlib import resources
from typing import Any

import pytest

from battcrm.kit.errors import Invalid
from battcrm.models.facts import REPAIR_TYPES, AppealType, PartOwner
from battcrm.models.situation import AppealStatus
from battcrm.response.engine import builtin, builtin_keys, check_source, custom, run
from battcrm.response.labels import ALL, CHIP, FAULT, label
from battcrm.response.samples import SAMPLES, sample
from battcrm.response.settings import ResponseSettings, validate_templates
from battcrm.response.text import LANGUAGES

EVERY = [(language, key) for language in LANGUAGES for key in sorted(SAMPLES)]
LEFTOVER = re.compile(r"\{\{|\}\}|\{%|None|Undefined|<|&#|  |\n\n\n| [.,]|\.\.")


def source_of(language: str, key: str) -> str:
    return (resources.files("battcrm.response") / "templates" / language / f"{key}.j2").read_text("utf-8")


def test_languages_have_the_same_texts() -> None:
    assert builtin_keys("ru") == builtin_keys("en") == set(SAMPLES)


@pytest.mark.parametrize(("language", "key"), EVERY)
def test_text_renders_cleanly_and_obeys_the_tenants_rules(language: str, key: str) -> None:
    check_source(language, source_of(language, key))
    text = run(builtin(language, key), sample(key))
    assert LEFTOVER.search(text) is None, text
    assert text[0] == text[0].upper()
    if language == "en":
        own = run(builtin("en", key), without_russian(sample(key)))
        assert re.search("[а-яё]", own, re.IGNORECASE) is None, own


def without_russian(value: Any) -> Any:
    """The sample with tenant-given words replaced, so that what stays Russian is ours."""
    if isinstance(value, dict):
        return {k: without_russian(v) for k, v in value.items()}
    if isinstance(value, list):
        return [without_russian(v) for v in value]
    return "Words." if isinstance(value, str) and re.search("[а-яё]", value, re.IGNORECASE) else value


BARE = {
    "client": None, "device": "", "hours_known": False, "open_now": False, "opens_at": None, "answer_minutes": None,
    "brand": "", "name": "", "diagnostics_price": None, "phone": None,
    "shop": dict.fromkeys(("name", "address", "directions", "phone", "payment", "delivery", "warranty"), ""),
}  # fmt: skip
NEEDS_FACTS = {"info_address", "info_phone", "info_payment", "info_delivery", "info_warranty"}


@pytest.mark.parametrize(("language", "key"), [e for e in EVERY if e[1] not in NEEDS_FACTS])
def test_text_stands_without_optional_facts(language: str, key: str) -> None:
    text = run(builtin(language, key), sample(key) | BARE)
    assert LEFTOVER.search(text) is None, text


@pytest.mark.parametrize("table", sorted(ALL))
def test_labels_have_the_same_keys(table: str) -> None:
    assert set(ALL[table]["ru"]) == set(ALL[table]["en"])
    assert all(ALL[table][language][key] for language in LANGUAGES for key in ALL[table]["ru"])


def test_labels_cover_every_code() -> None:
    assert set(ALL["repair"]["ru"]) == set(ALL["fault"]["ru"]) == set(REPAIR_TYPES)
    assert set(ALL["wish"]["ru"]) == set(AppealType)
    assert set(ALL["owner"]["ru"]) == set(PartOwner)
    assert set(ALL["status"]["ru"]) == set(AppealStatus)
    assert label("status", "ждёт запчасть", "ru") == "ждёт запчасть"


def test_chips_fit_the_tightest_channel() -> None:
    titles = [
        t for table in (FAULT, CHIP, ALL["wish"], ALL["owner"]) for names in table.values() for t in names.values()
    ]
    assert [t for t in titles if len(t) > 20] == []


FORBIDDEN = [
    "{{ ''.__class__ }}", "{{ shop.__class__.__mro__ }}", "{{ shop['__class__'] }}x{{ cycler }}{{ lipsum() }}",
    "{% for i in range(10**9) %}x{% endfor %}", "{{ 'x' * 1000000000 }}", "{% set x = 1 %}", "{% include 'a' %}",
    "{% import 'os' as os %}", "{% macro m() %}{% endmacro %}", "{{ shop.name.upper() }}", "{{ client|attr('x') }}",
    "{% for a in shop %}{% for b in shop %}x{% endfor %}{% endfor %}", "{{ 9 ** 9 ** 9 }}", "{{ [1,2] }}", "{{ client|pprint }}",
    "{% if", "{{ self }}{{ self.x() }}", "x" * 2001, "{{ client ~ device }}", "{{ _context }}", "{{ client|join(attribute='x') }}",
]  # fmt: skip


@pytest.mark.parametrize("source", FORBIDDEN, ids=range(len(FORBIDDEN)))
def test_tenants_template_cannot_reach_or_burn_anything(source: str) -> None:
    assert validate_templates({"ru": {"greeting": source}}) != []
    with pytest.raises(ValueError, match=r"greeting"):
        ResponseSettings(templates={"ru": {"greeting": source}})


def test_even_an_unchecked_template_sees_only_keys() -> None:
    context = sample("greeting")
    for source in ("{{ shop.keys }}", "{{ shop.__class__ }}", "{{ now.year }}", "{{ client.upper }}"):
        with pytest.raises(Invalid):
            run(custom("ru", source.replace("__", "")) if "__" not in source else builtin_of(source), context)


def builtin_of(source: str) -> Any:
    from battcrm.response.engine import _ENVIRONMENTS

    return _ENVIRONMENTS["ru"].from_string(source)


def test_tenants_template_must_render_with_the_texts_own_variables() -> None:
    assert validate_templates({"ru": {"greeting": "Привет, {{ client }}!"}}) == []
    assert validate_templates({"ru": {"quote": "{% for q in quotes %}{{ q.span|range }} {{ q.n }}{% endfor %}"}}) == []
    for bad in ({"ru": {"greeting": "{{ quotes }}"}}, {"ru": {"greting": "x"}}, {"ru": {"greeting": "  "}}):
        assert len(validate_templates(bad)) == 1


def test_unknown_text_is_an_error() -> None:
    with pytest.raises(Invalid):
        builtin("ru", "no_such_text")
