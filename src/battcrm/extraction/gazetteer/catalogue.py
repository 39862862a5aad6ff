"""The catalogue as the scanner uses it: immutable, shared, loaded once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import orjson

from battcrm.extraction.gazetteer import compile as compiler
from battcrm.extraction.gazetteer.aliases import aliases
from battcrm.extraction.gazetteer.names import atoms
from battcrm.extraction.gazetteer.own_names import OwnNames, own_names


@dataclass(frozen=True, slots=True)
class Model:
    """One device of the catalogue. `weight`: how likely a bare name means this maker, among makers with that name."""

    brand: str
    name: str
    device_class: str
    weight: float


@dataclass(frozen=True, slots=True)
class Named:
    """A model a spoken name may mean; rank 0 said in full, 1 without the product line, 2 without the maker,
    3 only when the kind of device is said."""

    model: Model
    rank: int


class Catalogue:
    """Names, codes and models. Instances never change; `overlay` makes a new one that shares the base."""

    def __init__(
        self,
        models: list[Model],
        names: Mapping[str, list[int]],
        codes: Mapping[str, int],
        decimals: frozenset[str],
        base: Catalogue | None = None,
        own: OwnNames | None = None,
    ) -> None:
        self._models = models
        self._names = names
        self._codes = codes
        self._base = base
        self.decimals = decimals
        self.own = own or OwnNames()
        self._named: dict[str, tuple[Named, ...]] = {}

    @classmethod
    def load(cls) -> Catalogue:
        """The compiled artefact when it is there and fresh, else compiled in memory. Cached for the process."""
        return _load()

    @classmethod
    def from_payload(cls, data: Mapping[str, Any]) -> Catalogue:
        """Catalogue over compiled data."""
        models = [Model(*row) for row in data["models"]]
        return cls(models, data["names"], data["codes"], frozenset(data["decimals"]))

    def has(self, key: str) -> bool:
        """Whether the key is a name or the beginning of one."""
        return key in self._names or (self._base is not None and self._base.has(key))

    def named(self, key: str) -> tuple[Named, ...]:
        """Models the spoken name may mean; empty when it is only the beginning of a name or unknown."""
        found = self._named.get(key)
        if found is None:
            if not self.has(key):
                return ()
            found = self._named[key] = self._look_up(key)
        return found

    def _look_up(self, key: str) -> tuple[Named, ...]:
        own = tuple(Named(self._models[entry >> 2], entry & 3) for entry in self._names.get(key, ()))
        if self._base is None:
            return own
        known = {item.model.name for item in own}
        return own + tuple(item for item in self._base.named(key) if item.model.name not in known)

    def code(self, code: str) -> Model | None:
        """Model of an upper-case code without spaces and hyphens (A2633, SMA525F)."""
        number = self._codes.get(code)
        if number is not None:
            return self._models[number]
        return self._base.code(code) if self._base else None

    def longer(self, key: str, limit: int = 8) -> list[Model]:
        """Models whose spoken name continues the key, shortest first: what a too short name may have meant."""
        found = self._base.longer(key, limit) if self._base else []
        keys = self._sorted_keys
        at = bisect_left(keys, key)
        while at < len(keys) and keys[at].startswith(key) and len(found) < 64:
            found.extend(item.model for item in self.named(keys[at]))
            at += 1
        unique = {(model.brand, model.name): model for model in found}
        return sorted(unique.values(), key=lambda model: (len(model.name), -model.weight))[:limit]

    @cached_property
    def _sorted_keys(self) -> list[str]:
        return sorted(self._names)

    def overlay(self, names: Iterable[tuple[str, str]]) -> Catalogue:
        """A catalogue that also knows a tenant's own (brand, model) names, makers included. The base is shared, not copied."""
        index = compiler.Index()
        named = [(brand.strip(), name.strip()) for brand, name in names if brand.strip() and atoms(name)]
        for brand, name in named:
            rest = " ".join(atoms(brand)[1:])
            index.add(brand, name, _class_of(name), 1.0, (name, f"{rest} {name}") if rest else (name,))
        models = [Model(*row) for row in index.models]
        own = self.own.joined(own_names(named))
        return Catalogue(models, index.names, index.codes, self.decimals | index.decimals, self, own)

    def maker(self, name: str) -> str | None:
        """The canonical maker of a name written by someone else ("сяоми", "Redmi" -> Xiaomi), or None when unknown."""
        form = name.strip().lower().replace("ё", "е")
        alias = self.own.makers.get(form) or aliases().get(form) or aliases().get("".join(atoms(form)))
        return alias.brand or None if alias is not None and alias.kind in {"brand", "family"} else None

    def resolve(self, brand: str | None, model: str) -> tuple[str, str] | None:
        """Canonical (brand, model) for a name written by someone else, or None when unknown or ambiguous."""
        said = atoms(model)
        form = (brand or "").strip().lower()
        alias = self.own.makers.get(form) or aliases().get(form)
        maker = alias.brand if alias else brand
        if not said:
            return None
        scopes = [compiler.brand_atom(maker)] if maker else [""]
        for scope in scopes:
            for parts in (said, said[1:]):
                found = best(self.named(_key(scope, parts))) if parts else ()
                if len(found) == 1:
                    return found[0].brand, found[0].name
        return None


def best(found: tuple[Named, ...]) -> tuple[Model, ...]:
    """Models of the best rank."""
    if not found:
        return ()
    top = min(item.rank for item in found)
    return tuple(item.model for item in found if item.rank == top)


def _key(scope: str, said: tuple[str, ...]) -> str:
    return scope + "|" + "".join(atom + " " for atom in said)


def _class_of(name: str) -> str:
    alias = aliases().get(atoms(name)[0])
    return alias.device_class if alias and alias.device_class else "phone"


@lru_cache(maxsize=1)
def _load() -> Catalogue:
    path = compiler.artefact_path()
    if path.is_file():
        return Catalogue.from_payload(orjson.loads(path.read_bytes()))
    return Catalogue.from_payload(compiler.payload(compiler.build()))
