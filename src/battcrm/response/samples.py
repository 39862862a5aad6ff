"""Sample data for every text: what a tenant's template is tried on before it is published."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

NOW: Final = datetime(2026, 3, 4, 18, 30, tzinfo=UTC)
SHOP: Final = {
    "name": "Сервис на Лесной", "address": "ул. Лесная, 5", "directions": "Вход со двора.", "phone": "+7 900 000-00-00",
    "payment": "наличные, карта", "delivery": "Курьер по городу.", "warranty": "Гарантия на работу 90 дней.",
}  # fmt: skip
COMMON: Final[dict[str, Any]] = {
    "client": "Анна", "device": "iPhone 13 Pro", "shop": SHOP, "now": NOW, "timezone": "Europe/Moscow",
    "hours_known": True, "open_now": False, "opens_at": datetime(2026, 3, 5, 7, 0, tzinfo=UTC), "answer_minutes": 15,
    "also": [],
}  # fmt: skip
QUOTE: Final[dict[str, Any]] = {
    "name": "замена экрана", "repair": "screen", "low": 390_000, "high": 460_000, "span": (390_000, 460_000),
    "median": 420_000, "n": 17, "days": 90, "part_price": 215_000, "part_stock": 2, "priced_at": NOW,
    "labour_only": False, "sibling": None, "currency": "RUB", "basis": "repairs", "listed_at": NOW,
}  # fmt: skip
SAMPLES: Final[dict[str, dict[str, Any]]] = {
    "greeting": {}, "greeting_again": {}, "ask_wish": {}, "ask_model": {"brand": "Apple"}, "ask_model_again": {},
    "ask_model_options": {},
    "confirm_model": {}, "ask_repair": {}, "ask_repair_again": {}, "ask_part_owner": {}, "ask_order_number": {},
    "ask_which_appeal": {}, "ask_sell_model": {}, "ask_buy_model": {},
    "quote": {"quotes": [QUOTE], "own_part": False, "own_part_note": "Платите только за работу.", "unpriced": []},
    "no_price": {"name": "замена экрана", "diagnostics_price": 50_000},
    "agreed": {}, "ask_agreement": {}, "declined": {}, "no_hurry": {},
    "status_orders": {"orders": [{"title": "№ 12, iPhone 13 Pro", "status": "in_repair", "ref": "12"}]},
    "info_address": {}, "info_hours": {"week": ["пн–пт: 10:00–20:00"]}, "info_phone": {}, "info_payment": {},
    "info_delivery": {}, "info_warranty": {}, "info_services": {"services": []}, "thanks": {}, "off_topic": {}, "opt_out": {},
    "handover": {"cause": "other", "phone": None, "reason": "operator_requested"}, "soften": {}, "own_part_note": {},
    "untaken": {"number": 7, "returned": True},
}  # fmt: skip


def sample(key: str) -> dict[str, Any]:
    """Variables a text of that key can use."""
    return COMMON | SAMPLES[key]
