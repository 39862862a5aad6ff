"""Builds the catalogue's index. `python -m battcrm.extraction.gazetteer.compile` writes it next to the data.

The artefact's name carries a hash of every source file, so that a stale one is never read.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

import orjson

from battcrm.extraction.gazetteer.aliases import aliases, data_lines
from battcrm.extraction.gazetteer.names import atoms, entries

FORMAT: Final = "2"
CATALOGUE_FILES: Final = ("phones.tsv", "devices.tsv", "rides.tsv")
CODE_FILES: Final = ("codes.tsv", "codes_android.tsv")
RANK_FULL: Final = 0
RANK_SHORT: Final = 1
RANK_BARE: Final = 2
RANK_BOUND: Final = 3
# Product lines people leave out once the maker is said: "самсунг а52", "сяоми 9т". Other lines ("spark", "hot") must be
# said: without them the number fits several of the maker's phones.
_DROPPABLE: Final = frozenset(
    [
        "iphone",
        "galaxy",
        "redmi",
        "mi",
        "poco",
        "pixel",
        "xperia",
        "moto",
        "nord",
        "blade",
        "zenfone",
        "reno",
        "lumia",
        "playstation",
        "nexus",
        "narzo",
    ]
)
# Makers whose own word stands at the head of their marketing names.
_NAMED_AFTER: Final = frozenset(
    ("Honor", "Huawei", "Realme", "Infinix", "OPPO", "Vivo", "OnePlus", "Nokia", "Motorola", "Xiaomi", "Lenovo", "LG")
)


@dataclass(slots=True)
class Index:
    """What the compiler collects: models, spoken names with the models they may mean, codes."""

    models: list[tuple[str, str, str, float]] = field(default_factory=list)
    names: dict[str, list[int]] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    decimals: set[str] = field(default_factory=set)
    ids: dict[tuple[str, ...], int] = field(default_factory=dict)

    def add(self, brand: str, name: str, device_class: str, weight: float, ways: tuple[str, ...]) -> None:
        """One model with the ways to say it. A repeated model only gains ways.

        Weight 0: these ways count only when the kind of device is said as well.
        """
        identity = (brand, device_class, *atoms(name))
        number = self.ids.get(identity)
        if number is None:
            number = self.ids[identity] = len(self.models)
            self.models.append((brand, name, device_class, weight or 1.0))
        for way in ways:
            if weight:
                self._say(number, brand, atoms(way))
            else:
                self._say_bound(number, brand, atoms(way))

    def _say(self, number: int, brand: str, said: tuple[str, ...]) -> None:
        own = brand_atom(brand)
        if len(said) > 1 and said[: len(atoms(brand))] == atoms(brand):
            said = said[len(atoms(brand)) :]
        self.decimals.update(atom for atom in said if "." in atom)
        alias = aliases().get(said[0])
        tells = alias is not None and alias.kind == "family" and alias.brand == brand
        self._key(own, said, number, RANK_FULL)
        if tells or len(said) > 1 or _is_strong(said):
            self._key("", said, number, RANK_FULL if tells else RANK_BARE)
        if said[0] in _DROPPABLE and len(said) > 1 and said[1:] != ("se",):
            self._key(own, said[1:], number, RANK_SHORT)
            if len(said) > 2 or said[1:] in {("xr",), ("xs",)} or _is_strong(said[1:]) or said[1].isdecimal():
                self._key("", said[1:], number, RANK_BARE)

    def _say_bound(self, number: int, brand: str, said: tuple[str, ...]) -> None:
        self.decimals.update(atom for atom in said if "." in atom)
        self._key(brand_atom(brand), said, number, RANK_BOUND)
        if len(said) > 1:
            self._key("", said, number, RANK_BOUND)

    def _key(self, scope: str, said: tuple[str, ...], number: int, rank: int) -> None:
        key = scope + "|"
        for atom in said:
            key += atom + " "
            self.names.setdefault(key, [])
        entry = number * 4 + rank
        if entry not in self.names[key]:
            self.names[key].append(entry)


def _is_strong(said: tuple[str, ...]) -> bool:
    """A name that stays a name with nothing around it: letters with digits."""
    return len(said) > 1 and any(atom.isalpha() for atom in said) and any(not atom.isalpha() for atom in said)


def brand_atom(brand: str) -> str:
    """The alias atom of a maker ("Black+Decker" and others without one: their name in lower case)."""
    return _brand_atoms().get(brand) or "".join(atoms(brand))


@lru_cache(maxsize=1)
def _brand_atoms() -> dict[str, str]:
    return {alias.brand: alias.atoms[0] for alias in reversed(aliases().values()) if alias.kind == "brand"}


def build() -> Index:
    """Index of all catalogue and code files."""
    index = Index()
    for file in CATALOGUE_FILES:
        for brand, device_class, weight, cell in data_lines(file):
            for name, ways in entries(cell):
                index.add(brand, _shown(brand, name), device_class, float(weight), ways)
    rows = [row for file in CODE_FILES for row in data_lines(file)]
    coded = {(brand, name) for brand, name, _, _ in rows}
    for brand, full, device_class, codes in rows:
        name = _shown(brand, _without_needless_5g(full, (brand, full.removesuffix(" 5G")) in coded))
        identity = (brand, device_class, *atoms(name))
        if identity not in index.ids:
            index.add(brand, name, device_class, 0.0, ())
        for code in codes.split():
            index.codes.setdefault(code, index.ids[identity])
    return index


def _shown(brand: str, name: str) -> str:
    """The name beside its maker: "BV9300 Pro", but "Honor 90" where the maker's word is part of the marketing name."""
    bare = name.removeprefix(f"{brand} ")
    return name if brand in _NAMED_AFTER else bare


def _without_needless_5g(name: str, has_plain_sibling: bool) -> str:
    """Where no 4G twin has codes of its own, a code says "Galaxy A34", as people do, not "Galaxy A34 5G"."""
    return name if has_plain_sibling else name.removesuffix(" 5G")


def payload(index: Index) -> dict[str, Any]:
    """What is written to the artefact."""
    return {
        "models": index.models,
        "names": index.names,
        "codes": index.codes,
        "decimals": sorted(index.decimals),
    }


def source_hash() -> str:
    """Hash of the data files and of this format."""
    digest = hashlib.sha256(FORMAT.encode())
    folder = resources.files(__package__).joinpath("data")
    for file in ("aliases.tsv", *CATALOGUE_FILES, *CODE_FILES):
        digest.update(folder.joinpath(file).read_bytes())
    return digest.hexdigest()[:16]


def artefact_path() -> Path:
    """Where the compiled index for the present data belongs."""
    folder = Path(str(resources.files(__package__).joinpath("data")))
    return folder / "compiled" / f"catalogue-{FORMAT}-{source_hash()}.json"


def write() -> Path:
    """Compile and write the artefact; older ones are removed. Returns its path."""
    path = artefact_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in path.parent.glob("catalogue-*.json"):
        old.unlink()
    fresh = path.with_suffix(".new")
    fresh.write_bytes(orjson.dumps(payload(build())))
    fresh.replace(path)
    return path


if __name__ == "__main__":
    print(write())  # noqa: T201 - a command-line tool
