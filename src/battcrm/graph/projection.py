"""What a stored row looks like in the graph: its node's properties and the edges that leave it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from battcrm.graph.client import millis
from battcrm.graph.family import family_of

_SEPARATOR: Final = "\x1f"


def key(*parts: object) -> str:
    """Id of a derived node. The unit separator cannot be part of a name that came from a message or a file."""
    return _SEPARATOR.join(str(part).replace(_SEPARATOR, " ") for part in parts)


@dataclass(frozen=True, slots=True)
class Projected:
    """A node and its edges as (type, target label, target id); the rest are nodes that have no row of their own.

    The property `links` is a digest of the edges: one look tells whether those in the graph are still right.
    """

    tenant_id: str
    id: str
    version: int
    properties: Mapping[str, Any]
    edges: tuple[tuple[str, str, str], ...]
    models: tuple[tuple[str, str], ...] = ()
    devices: tuple[tuple[str, str, str], ...] = ()
    parts: tuple[tuple[str, str, str], ...] = ()


def client(row: Mapping[str, Any]) -> Projected:
    """A person; no name or phone goes into the graph, it is not needed there."""
    merged = _text(row["merged_into"])
    edges = (("MERGED_INTO", "Client", merged),) if merged else ()
    return _node("client", row, row["client_id"], {"merged_into": merged}, edges)


def appeal(row: Mapping[str, Any]) -> Projected:
    """An appeal, about a model once that is known."""
    client_id = str(row["client_id"])
    brand, model = row["brand"], row["model"]
    edges = [("OF_CLIENT", "Client", client_id)]
    known = bool(brand and model)
    if known:
        edges += [("ABOUT", "Model", key(brand, model)), ("ON", "Device", key(client_id, brand, model))]
    properties = {
        "client_id": client_id,
        "number": row["number"],
        "status": row["status"],
        "brand": brand,
        "model": model,
        "device_class": row["device_class"],
        "repair_types": sorted(row["repair_types"]),
        "part_owner": row["part_owner"],
        # Not when it was last touched: that moves without an event, and the projection would lag for no use.
        "at": millis(row["closed_at"] or row["opened_at"]),
        "opened_at": millis(row["opened_at"]),
        "closed_at": _millis(row["closed_at"]),
    }
    return _node(
        "appeal",
        row,
        row["appeal_id"],
        properties,
        edges,
        models=((brand, model),) if known else (),
        devices=((client_id, brand, model),) if known else (),
    )


def repair(row: Mapping[str, Any]) -> Projected:
    """A past repair; without a client it stands for a device of its own."""
    brand, model = row["brand"], row["model"]
    client_id, appeal_id = _text(row["client_id"]), _text(row["appeal_id"])
    device = key(client_id, brand, model) if client_id else None
    edges = [("OF_MODEL", "Model", key(brand, model))]
    if client_id and device:
        edges += [("OF_CLIENT", "Client", client_id), ("ON", "Device", device)]
    if appeal_id:
        edges.append(("OF_APPEAL", "Appeal", appeal_id))
    kinds = sorted(set(row["repair_types"]))
    edges += [("USED", "Part", key(brand, model, kind)) for kind in kinds]
    properties = {
        "client_id": client_id,
        "appeal_id": appeal_id,
        "device_id": device,
        "brand": brand,
        "model": model,
        "device_class": row["device_class"],
        "repair_types": kinds,
        "part_owner": row["part_owner"],
        "status": row["status"],
        "labour": row["labour_amount"],
        "part": row["part_amount"],
        "amount": row["total_amount"],
        "at": millis(row["closed_at"] or row["opened_at"]),
    }
    return _node(
        "repair",
        row,
        row["repair_id"],
        properties,
        edges,
        models=((brand, model),),
        devices=((client_id, brand, model),) if client_id else (),
        parts=tuple((brand, model, kind) for kind in kinds),
    )


def price(row: Mapping[str, Any]) -> Projected:
    """A line of the price list."""
    brand, model, kind = row["brand"], row["model"], row["repair_type"]
    properties = {
        "brand": brand,
        "model": model,
        "repair_type": kind,
        "part_name": row["part_name"],
        "part_price": row["part_price"],
        "labour_price": row["labour_price"],
        "stock": row["stock"],
        "quality": row["quality"],
        "currency": row["currency"],
        "active": row["active"],
        "at": millis(row["priced_at"]),
    }
    edges = (("PRICES", "Part", key(brand, model, kind)),)
    return _node(
        "price",
        row,
        row["price_item_id"],
        properties,
        edges,
        models=((brand, model),),
        parts=((brand, model, kind),),
    )


def model_row(tenant_id: str, brand: str, model: str) -> dict[str, Any]:
    """Parameters that merge a Model under its Brand."""
    own = {"tenant_id": tenant_id, "id": key(brand, model)}
    return own | {"brand": brand, "name": model, "family": family_of(model)}


def device_row(tenant_id: str, client_id: str, brand: str, model: str) -> dict[str, Any]:
    """Parameters that merge a Device of a client."""
    own = {"tenant_id": tenant_id, "id": key(client_id, brand, model)}
    return own | {"client": client_id, "model": key(brand, model)}


def part_row(tenant_id: str, brand: str, model: str, kind: str) -> dict[str, Any]:
    """Parameters that merge the Part a repair of that kind puts into a model."""
    own = {"tenant_id": tenant_id, "id": key(brand, model, kind)}
    return own | {"model": key(brand, model), "repair_type": kind}


def _node(
    kind: str,
    row: Mapping[str, Any],
    own_id: UUID,
    properties: Mapping[str, Any],
    edges: Any,
    **derived: Any,
) -> Projected:
    tenant_id = str(row["tenant_id"])
    body = {
        **{name: value for name, value in properties.items() if value is not None},
        "tenant_id": tenant_id,
        "id": str(own_id),
        "kind": kind,
        "version": row["version"],
        "links": _digest(edges),
    }
    return Projected(tenant_id, str(own_id), row["version"], body, tuple(edges), **derived)


def _digest(edges: Iterable[tuple[str, str, str]]) -> str:
    text = "\x1e".join("\x1f".join(edge) for edge in sorted(edges))
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=6).hexdigest()


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _millis(value: datetime | None) -> int | None:
    return None if value is None else millis(value)


PROJECT: Final[Mapping[str, Callable[[Mapping[str, Any]], Projected]]] = {
    "client": client,
    "appeal": appeal,
    "repair": repair,
    "price": price,
}
