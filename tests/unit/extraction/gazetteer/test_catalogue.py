"""The catalogue's own promises: artefact, overlay, resolve, budgets."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from battcrm.extraction.gazetteer import catalogue as module
from battcrm.extraction.gazetteer import compile as compiler
from battcrm.extraction.gazetteer.aliases import data_lines
from battcrm.extraction.gazetteer.catalogue import Catalogue
from battcrm.extraction.gazetteer.names import atoms, entries, expand
from battcrm.extraction.normalise import normalise
from battcrm.extraction.tools.model import find_devices
from tests.unit.extraction.gazetteer.support import CATALOGUE


def test_notation() -> None:
    assert expand("iPhone {1..3,X}") == ["iPhone 1", "iPhone 2", "iPhone 3", "iPhone X"]
    assert entries("A{1,2}=B{1,2}") == [("A1", ("A1", "B1")), ("A2", ("A2", "B2"))]
    assert atoms("Redmi Note 12 Pro+") == ("redmi", "note", "12", "pro", "plus")
    assert atoms("iPad Pro 12.9 (2020)") == ("ipad", "pro", "12.9", "2020")


def test_every_line_of_the_data_is_well_formed() -> None:
    for file in compiler.CATALOGUE_FILES:
        for row in data_lines(file):
            assert len(row) == 4, row
            assert float(row[2]) >= 0
    for file in compiler.CODE_FILES:
        for row in data_lines(file):
            assert len(row) == 4, row
            assert row[3].split(), row


def test_sources_stay_small() -> None:
    folder = Path(compiler.__file__).parent / "data"
    assert sum(path.stat().st_size for path in folder.glob("*.*")) < 1_000_000


def test_artefact_gives_the_same_catalogue_as_compiling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "catalogue.json"
    monkeypatch.setattr(compiler, "artefact_path", lambda: target)
    assert compiler.write() == target
    loaded = Catalogue.from_payload(orjson.loads(target.read_bytes()))
    fresh = Catalogue.from_payload(compiler.payload(compiler.build()))
    for key in ("apple|13 pro ", "|12 pro ", "xiaomi|9 ", "samsung|a 52 "):
        assert loaded.named(key)
        assert loaded.named(key) == fresh.named(key)


def test_artefact_name_follows_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    before = compiler.artefact_path()
    monkeypatch.setattr(compiler, "FORMAT", "next")
    assert compiler.artefact_path() != before


def test_a_stale_artefact_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "catalogue-1-0000.json").write_bytes(b"broken")
    monkeypatch.setattr(compiler, "artefact_path", lambda: tmp_path / "catalogue-1-1111.json")
    module._load.cache_clear()
    try:
        assert Catalogue.load().resolve("Apple", "iPhone 13") == ("Apple", "iPhone 13")
    finally:
        module._load.cache_clear()


def test_loading_compiles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "artefact_path", lambda: tmp_path / "catalogue.json")
    compiler.write()
    monkeypatch.delattr(compiler, "build")
    module._load.cache_clear()
    try:
        assert Catalogue.load().resolve("Apple", "iPhone 13") == ("Apple", "iPhone 13")
    finally:
        module._load.cache_clear()


@pytest.mark.parametrize(
    ("brand", "model", "expected"),
    [
        ("Apple", "13 Pro", ("Apple", "iPhone 13 Pro")),
        ("apple", "iphone 13 pro", ("Apple", "iPhone 13 Pro")),
        ("Xiaomi", "Redmi Note 10 Pro", ("Xiaomi", "Redmi Note 10 Pro")),
        ("Redmi", "Redmi Note 10 Pro", ("Xiaomi", "Redmi Note 10 Pro")),
        (None, "Galaxy A52", ("Samsung", "Galaxy A52")),
        (None, "12 Pro", None),
        ("Apple", "iPhone 13 Ultra", None),
        ("Honor", "90 Lite", ("Honor", "Honor 90 Lite")),
        (None, "", None),
    ],
)
def test_resolve(brand: str | None, model: str, expected: tuple[str, str] | None) -> None:
    assert CATALOGUE.resolve(brand, model) == expected


def test_overlay_adds_a_tenants_names_and_leaves_the_base_alone() -> None:
    text = "самсунг галакси а99 про экран"
    assert all(item.model is None for item in find_devices(normalise(text), 0, CATALOGUE))
    own = CATALOGUE.overlay([("Samsung", "Galaxy A99 Pro"), ("Oysters", "T104"), ("", "x"), ("Samsung", "")])
    (found,) = find_devices(normalise(text), 0, own)
    assert found.model is not None
    assert found.model.value == "Galaxy A99 Pro"
    assert own.resolve("Apple", "iPhone 13") == ("Apple", "iPhone 13")
    assert CATALOGUE.resolve("Samsung", "Galaxy A99 Pro") is None


def test_overlay_of_a_known_name_changes_nothing() -> None:
    own = CATALOGUE.overlay([("Samsung", "Galaxy A52")])
    (found,) = find_devices(normalise("самсунг а52"), 0, own)
    assert found.model is not None
    assert found.model.value == "Galaxy A52"


def test_ways_of_speaking_keep_the_chip_and_the_modifiers() -> None:
    """Alternatives of one line are paired by place: a slip in their order would give a name to another model."""
    chips = {"m1", "m2", "m3", "m4", "m5"}
    modifiers = {"pro", "max", "ultra", "mini", "lite", "air", "fe"}
    for file in compiler.CATALOGUE_FILES:
        for row in data_lines(file):
            for name, ways in entries(row[3]):
                own = set(name.lower().replace("+", " plus").split())
                for way in ways:
                    said = set(way.lower().replace("+", " plus").split())
                    assert not (said & chips) - own or not own & chips, (name, way)
                    line = {name.lower().split()[0]}
                    assert not (own & modifiers) - said - line - {"air", "mini"}, (name, way)
