"""Names of our codes for people, in every language with the same keys."""

from __future__ import annotations

from typing import Final

# What is done, for sentences and quotes.
REPAIR: Final = {
    "ru": {
        "screen": "замена экрана", "battery": "замена аккумулятора", "charging_port": "ремонт разъёма зарядки",
        "back_glass": "замена задней крышки", "housing": "замена корпуса", "camera": "ремонт камеры",
        "speaker": "ремонт динамика", "microphone": "ремонт микрофона", "button": "ремонт кнопки",
        "keyboard": "ремонт клавиатуры", "hinge": "ремонт петель", "joystick": "ремонт стика",
        "water_damage": "восстановление после воды", "no_power": "ремонт питания (не включается)", "board": "ремонт платы",
        "software": "настройка и прошивка", "unlock": "разблокировка", "data_recovery": "восстановление данных",
        "cleaning": "чистка", "network": "ремонт связи", "backlight": "ремонт подсветки",
        "controller": "ремонт контроллера", "wheel": "ремонт колеса", "diagnostics": "диагностика", "other": "ремонт",
    },
    "en": {
        "screen": "screen replacement", "battery": "battery replacement", "charging_port": "charging port repair",
        "back_glass": "back cover replacement", "housing": "housing replacement", "camera": "camera repair",
        "speaker": "speaker repair", "microphone": "microphone repair", "button": "button repair",
        "keyboard": "keyboard repair", "hinge": "hinge repair", "joystick": "stick repair",
        "water_damage": "water damage repair", "no_power": "power repair (does not switch on)", "board": "board repair",
        "software": "software setup", "unlock": "unlocking", "data_recovery": "data recovery",
        "cleaning": "cleaning", "network": "network repair", "backlight": "backlight repair",
        "controller": "controller repair", "wheel": "wheel repair", "diagnostics": "diagnostics", "other": "repair",
    },
}  # fmt: skip
# What is wrong, for chips: at most 20 characters, the tightest channel's limit.
FAULT: Final = {
    "ru": {
        "screen": "Экран, стекло", "battery": "Аккумулятор", "charging_port": "Не заряжается",
        "back_glass": "Задняя крышка", "housing": "Корпус", "camera": "Камера", "speaker": "Динамик",
        "microphone": "Микрофон", "button": "Кнопка", "keyboard": "Клавиатура", "hinge": "Петли",
        "joystick": "Стик", "water_damage": "Попала вода", "no_power": "Не включается", "board": "Плата",
        "software": "Зависает, прошивка", "unlock": "Разблокировка", "data_recovery": "Данные",
        "cleaning": "Греется, чистка", "network": "Нет связи", "backlight": "Нет изображения",
        "controller": "Не едет, ошибка", "wheel": "Колесо, прокол", "diagnostics": "Диагностика", "other": "Другое",
    },
    "en": {
        "screen": "Screen, glass", "battery": "Battery", "charging_port": "Does not charge",
        "back_glass": "Back cover", "housing": "Housing", "camera": "Camera", "speaker": "Speaker",
        "microphone": "Microphone", "button": "Button", "keyboard": "Keyboard", "hinge": "Hinges",
        "joystick": "Stick", "water_damage": "Got wet", "no_power": "Does not turn on", "board": "Board",
        "software": "Freezes, software", "unlock": "Unlocking", "data_recovery": "Data",
        "cleaning": "Overheats, cleaning", "network": "No signal", "backlight": "No picture",
        "controller": "Error, no drive", "wheel": "Wheel, puncture", "diagnostics": "Diagnostics", "other": "Other",
    },
}  # fmt: skip
WISH: Final = {
    "ru": {
        "repair": "Ремонт", "status": "Статус заказа", "purchase": "Купить", "sell": "Продать",
        "warranty": "Гарантия", "info": "Адрес и часы", "other": "Другое",
    },
    "en": {
        "repair": "Repair", "status": "Order status", "purchase": "Buy", "sell": "Sell",
        "warranty": "Warranty", "info": "Address and hours", "other": "Other",
    },
}  # fmt: skip
OWNER: Final = {
    "ru": {"client": "Своя деталь", "shop": "Деталь мастерской"},
    "en": {"client": "My own part", "shop": "The shop's part"},
}
STATUS: Final = {
    "ru": {
        "new": "принято", "collecting": "уточняем детали", "quoted": "цена названа", "agreed": "согласовано",
        "in_repair": "в ремонте", "done": "готово", "lost": "отменено", "spam": "закрыто",
    },
    "en": {
        "new": "received", "collecting": "clarifying the details", "quoted": "price given", "agreed": "agreed",
        "in_repair": "in repair", "done": "ready", "lost": "cancelled", "spam": "closed",
    },
}  # fmt: skip
FIELD: Final = {
    "ru": {
        "appeal_type": "что нужно", "brand": "марка", "model": "модель", "repair_types": "неисправность",
        "part_owner": "чья деталь", "order": "номер заказа", "appeal": "о каком устройстве речь",
        "price": "цена", "nothing": "ничего",
    },
    "en": {
        "appeal_type": "the wish", "brand": "brand", "model": "model", "repair_types": "the fault",
        "part_owner": "whose part", "order": "order number", "appeal": "which device is meant",
        "price": "price", "nothing": "nothing",
    },
}  # fmt: skip
CHIP: Final = {
    "ru": {"other": "Другое", "other_model": "Другая модель", "yes": "Да, записать", "no": "Пока нет"},
    "en": {"other": "Other", "other_model": "Another model", "yes": "Yes, book me", "no": "Not now"},
}
# What a chip says in the client's name: the values of yes and no, so that they can be read like typed words.
SAY: Final = {"ru": {"yes": "да", "no": "нет"}, "en": {"yes": "yes", "no": "no"}}
WEEKDAY: Final = {
    "ru": {
        "mon": "пн", "tue": "вт", "wed": "ср", "thu": "чт", "fri": "пт", "sat": "сб", "sun": "вс",
        "closed": "выходной",
    },
    "en": {
        "mon": "Mon", "tue": "Tue", "wed": "Wed", "thu": "Thu", "fri": "Fri", "sat": "Sat", "sun": "Sun",
        "closed": "closed",
    },
}  # fmt: skip
# What the shop takes in, for "do you repair at all?".
DEVICES: Final = {
    "ru": {
        "phone": "телефоны", "tablet": "планшеты", "laptop": "ноутбуки", "scooter": "самокаты", "watch": "часы",
        "console": "приставки", "headphones": "наушники", "vacuum": "пылесосы", "tv": "телевизоры",
        "tool": "инструмент", "pc": "компьютеры", "other": "другая техника",
    },
    "en": {
        "phone": "phones", "tablet": "tablets", "laptop": "laptops", "scooter": "scooters", "watch": "watches",
        "console": "consoles", "headphones": "headphones", "vacuum": "vacuum cleaners", "tv": "TVs",
        "tool": "power tools", "pc": "computers", "other": "other devices",
    },
}  # fmt: skip
DEVICE: Final = {
    "ru": {
        "phone": "телефон", "tablet": "планшет", "laptop": "ноутбук", "scooter": "самокат", "watch": "часы",
        "console": "приставка", "headphones": "наушники", "vacuum": "пылесос", "tv": "телевизор",
        "tool": "инструмент", "pc": "компьютер", "other": "другая техника",
    },
    "en": {
        "phone": "phone", "tablet": "tablet", "laptop": "laptop", "scooter": "scooter", "watch": "watch",
        "console": "console", "headphones": "headphones", "vacuum": "vacuum cleaner", "tv": "TV",
        "tool": "power tool", "pc": "computer", "other": "other device",
    },
}  # fmt: skip
ALL: Final = {
    "repair": REPAIR, "fault": FAULT, "wish": WISH, "owner": OWNER, "status": STATUS, "field": FIELD, "chip": CHIP,
    "weekday": WEEKDAY, "say": SAY, "device": DEVICE, "devices": DEVICES,
}  # fmt: skip


def typed_titles(value: str) -> frozenset[str]:
    """What a client may type instead of pressing a choice whose title is not its value: yes, no and "other"."""
    codes: dict[str, tuple[str, ...]] = {"other": ("other", "other_model")}
    for said in SAY.values():
        codes |= {text: (code,) for code, text in said.items()}
    return frozenset(CHIP[language][code].lower() for language in CHIP for code in codes.get(value, ()))


def label(table: str, code: str, language: str) -> str:
    """The name of a code; a code we do not know is shown as it is (a tenant's own status, for instance)."""
    return ALL[table][language].get(code, code)
