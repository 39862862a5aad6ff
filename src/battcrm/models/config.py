"""The tenant's versioned document: sections registered by the layers that own them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

from battcrm.kit.errors import Invalid

S = TypeVar("S", bound="Section")
Migration = Callable[[dict[str, Any]], dict[str, Any]]


class Section(BaseModel):
    """Base of a section's schema. Every field has a default, so an empty document is a working shop."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SectionRegistry:
    """Which sections exist. A layer registers its own; nobody edits a central list."""

    def __init__(self) -> None:
        self._sections: dict[str, type[Section]] = {}
        self._migrations: dict[str, Migration] = {}

    def register(self, name: str, schema: type[Section], migrate: Migration | None = None) -> None:
        """Add a section. `migrate` upgrades documents written by older versions. Registering twice is an error."""
        if self._sections.get(name, schema) is not schema:
            raise ValueError(f"section {name!r} is registered twice")
        self._sections[name] = schema
        if migrate is not None:
            self._migrations[name] = migrate

    def names(self) -> list[str]:
        """Registered section names, sorted."""
        return sorted(self._sections)

    def schema(self, name: str) -> type[Section]:
        """Schema of a section; Invalid if there is none."""
        try:
            return self._sections[name]
        except KeyError:
            known = ", ".join(self.names())
            raise Invalid(
                f"unknown section {name!r}", field=name, remedy=f"use one of: {known}", code="unknown_section"
            ) from None

    def validate(self, document: dict[str, Any]) -> dict[str, Section]:
        """All sections, defaults filled in. Raises Invalid naming the first wrong field."""
        for name in document:
            self.schema(name)
        return {name: self._load(name, document.get(name, {})) for name in self._sections}

    def _load(self, name: str, raw: Any) -> Section:
        if not isinstance(raw, dict):
            raise Invalid(f"{name}: expected an object", field=name, remedy="write key: value pairs under it")
        if name in self._migrations:
            raw = self._migrations[name](dict(raw))
        try:
            return self._sections[name].model_validate(raw)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            path = ".".join([name, *map(str, first["loc"])])
            raise Invalid(f"{path}: {first['msg']}", field=path, remedy="correct the value", code="config") from error


SECTIONS: Final = SectionRegistry()


class TenantConfig:
    """A published version of a tenant's document, validated once and then read by type."""

    def __init__(self, tenant_id: UUID, version: int, document: dict[str, Any], registry: SectionRegistry) -> None:
        self.tenant_id = tenant_id
        self.version = version
        self.document = document
        self._by_type = {type(section): section for section in registry.validate(document).values()}

    def section(self, schema: type[S]) -> S:
        """The section of that schema; its defaults if no layer registered it."""
        found = self._by_type.get(schema)
        return found if isinstance(found, schema) else schema()
