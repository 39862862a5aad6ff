"""Makers of a tenant's price list that the shared catalogue does not know."""

from __future__ import annotations

import pytest

from battcrm.extraction.dispatcher import RuleReader
from battcrm.extraction.gazetteer.own_names import own_names, sound_of
from tests.unit.extraction.reader import catalogue, sure

OWN = catalogue().overlay(
    [
        ("Oysters", "T104"),
        ("Whoosh Bike", "Alpha 2 Pro"),
        ("Unihertz", "Jelly Star"),
        ("Халва", "R5"),
        ("BQ", "Aurora 7"),
    ]
)


@pytest.mark.parametrize(
    ("text", "brand", "model"),
    [
        ("экран на oysters t104", "Oysters", "T104"),
        ("ойстерс т104 не включается", "Oysters", "T104"),
        ("у ойстерса т 104 разбит экран", "Oysters", "T104"),
        ("oysters не заряжается", "Oysters", None),
        ("whoosh bike alpha 2 pro спустило колесо", "Whoosh Bike", "Alpha 2 Pro"),
        ("whoosh alpha 2 pro спустило колесо", "Whoosh Bike", "Alpha 2 Pro"),
        ("whoosh bike alpha 2 спустило колесо", "Whoosh Bike", None),
        ("unihertz джелли стар батарея", "Unihertz", "Jelly Star"),
        ("бк аурора 7 экран", "BQ", "Aurora 7"),
        ("ел халву и разбил экран", None, None),
        ("айфон 13 про экран", "Apple", "iPhone 13 Pro"),
    ],
)
def test_read(text: str, brand: str | None, model: str | None) -> None:
    main = RuleReader(OWN).read([text]).main
    assert (sure(main.brand), sure(main.model)) == (brand, model)


@pytest.mark.parametrize(
    ("said", "maker"),
    [("oysters", "Oysters"), ("Ойстерс", "Oysters"), ("Samsung", "Samsung"), ("редми", "Xiaomi"), ("Nobody", None)],
)
def test_maker(said: str, maker: str | None) -> None:
    assert OWN.maker(said) == maker


def test_a_name_written_by_ear_resolves() -> None:
    assert OWN.resolve("Ойстерс", "T104") == ("Oysters", "T104")
    assert catalogue().resolve("Oysters", "T104") is None


def test_the_base_learns_nothing() -> None:
    assert not catalogue().own
    assert sure(RuleReader(catalogue()).read(["экран на oysters t104"]).main.brand) is None


def test_what_the_alias_file_knows_is_not_named_again() -> None:
    assert not own_names([("Samsung", "Galaxy A99")]).makers


@pytest.mark.parametrize(
    ("latin", "heard"),
    [("oysters", "ойстерс"), ("jelly", "джелли"), ("irbis", "ирбис"), ("moon", "мун"), ("халва", "халва")],
)
def test_sound(latin: str, heard: str) -> None:
    assert sound_of(latin) == heard
