"""Which column is which field: guessed from Russian and English headers, or told with --map."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from battcrm.kit.errors import Invalid

_NOISE: Final = re.compile(r"[^0-9a-zа-я]+")
_COMMON: Final[dict[str, tuple[str, ...]]] = {
    "external_id": ("id", "код", "артикул", "sku", "номер", "номер заказа", "заказ", "order", "uuid"),
    "brand": ("brand", "бренд", "марка", "производитель", "vendor", "manufacturer"),
    "model": ("model", "модель", "устройство", "device", "аппарат"),
}
PRICE_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    **_COMMON,
    "repair_type": ("repair type", "repair", "вид ремонта", "тип ремонта", "услуга", "работа", "ремонт", "service"),
    "part_name": ("part name", "part", "деталь", "запчасть", "наименование", "название", "name"),
    "part_price": ("part price", "цена детали", "цена запчасти", "стоимость детали", "цена", "price"),
    "labour_price": ("labour price", "labor price", "labour", "labor", "цена работы", "стоимость работы", "за работу"),
    "stock": ("stock", "остаток", "наличие", "количество", "кол во", "qty", "quantity"),
    "quality": ("quality", "качество"),
    "priced_at": ("priced at", "date", "дата", "дата цены", "обновлено", "updated"),
}
REPAIR_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    **_COMMON,
    "repair_types": ("repair types", "repair type", "repair", "вид ремонта", "работы", "работа", "услуга", "ремонт"),
    "device_class": ("device class", "тип устройства", "вид устройства", "категория"),
    "part_owner": ("part owner", "чья деталь", "чья запчасть", "запчасть чья"),
    "labour": ("labour", "labor", "labour amount", "цена работы", "стоимость работы", "за работу", "сумма работ"),
    "part": ("part", "part amount", "цена детали", "стоимость детали", "запчасти", "сумма запчастей", "деталь"),
    "total": ("total", "total amount", "итого", "сумма", "всего", "оплачено", "amount"),
    "status": ("status", "статус", "состояние"),
    "opened_at": ("opened at", "opened", "принят", "дата приема", "дата создания", "created"),
    "closed_at": ("closed at", "closed", "выдан", "дата выдачи", "дата закрытия", "дата", "date"),
    "phone": ("phone", "телефон", "телефон клиента"),
    "note": ("note", "комментарий", "примечание", "заметка"),
}
REQUIRED: Final[dict[str, tuple[str, ...]]] = {
    "price": ("model", "repair_type"),
    "repair": ("model", "repair_types", "closed_at"),
}


def guess(header: Sequence[str], fields: Mapping[str, Sequence[str]], given: Mapping[str, str]) -> dict[str, int]:
    """Field -> column. `given` (field -> header as in the file) wins over guesses. Invalid names what is unknown."""
    cleaned = [_clean(title) for title in header]
    found: dict[str, int] = {}
    for field, title in given.items():
        if field not in fields:
            raise Invalid(f"no field {field!r}", field="--map", remedy="fields: " + ", ".join(fields))
        if _clean(title) not in cleaned:
            raise Invalid(f"no column {title!r}", field="--map", remedy="columns: " + ", ".join(header))
        found[field] = cleaned.index(_clean(title))
    # By the rank of the name, so that "цена детали" takes its column before a bare "цена" looks for one.
    taken = set(found.values())
    ranked = sorted((rank, field, name) for field, names in fields.items() for rank, name in enumerate(names))
    for _, field, name in ranked:
        if field not in found:
            column = next((i for i, title in enumerate(cleaned) if i not in taken and title == _clean(name)), None)
            if column is not None:
                found[field] = column
                taken.add(column)
    return found


def require(found: Mapping[str, int], kind: str, header: Sequence[str]) -> None:
    """Invalid when a column that is needed is missing, with the way to name it."""
    for field in REQUIRED[kind]:
        if field not in found:
            columns = ", ".join(header)
            raise Invalid(
                f"no column for {field}", field=field, remedy=f"--map {field}=COLUMN; the file has: {columns}"
            )


def _clean(title: str) -> str:
    words = _NOISE.sub(" ", title.casefold().replace("ё", "е")).split()
    return " ".join(w for w in words if w not in ("руб", "р", "rub", "шт"))
