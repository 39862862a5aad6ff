"""Latin words that follow a model name without being a part of it: colours, parts, common English."""

from __future__ import annotations

from typing import Final

from battcrm.extraction.normalise_words import in_english

_NEUTRAL: Final = frozenset(
    ["a", "account", "amoled", "an", "and", "android", "battery", "black", "blue", "bluetooth", "boot", "bootloop", "button", "camera", "can", "china", "cn", "copy", "coral", "display", "doesnt", "dual", "duos", "eac", "esim", "eu", "face", "fastboot", "fhd", "film", "frp", "full", "gb", "glass", "global", "global-version", "gold", "google", "gps", "graphite", "gray", "green", "grey", "hard", "has", "hd", "hdd", "hello", "help", "hi", "home", "hyperos", "icloud", "id", "imei", "in", "incell", "india", "ios", "ipados", "ips", "is", "japan", "jet", "lavender", "lcd", "led", "lightning", "lte", "macos", "magsafe", "mah", "matte", "mdm", "midnight", "mint", "miui", "my", "nano", "natural", "new", "nfc", "ok", "oled", "on", "or", "orange", "orig", "original", "pacific", "pack", "pink", "please", "price", "purple", "ram", "recovery", "red", "refurbished", "rom", "root", "rose", "ru", "rus", "screen", "service", "set", "sierra", "silver", "sim", "soft", "space", "ssd", "starlight", "tb", "tft", "thanks", "the", "titanium", "tone", "touch", "true", "twrp", "type", "typec", "uhd", "ui", "us", "usa", "usb", "used", "version", "vs", "white", "wifi", "windows", "with", "without", "wont", "yellow"]
)


def is_neutral(word: str) -> bool:
    """Whether a lower-case Latin word after a model says nothing about the model."""
    return word in _NEUTRAL or in_english(word)
