"""Phones and links inside a text of ours: Avito's moderation hides such messages."""

from __future__ import annotations

import re
from typing import Final

from battcrm.transport.wire import RUSSIAN_PHONE

_ABROAD: Final = re.compile(r"(?<![\w+])\+\d(?:[\s\-()]{0,2}\d){9,13}(?!\d)")
_BARE: Final = re.compile(r"(?<![\d+\-])\(?9\d{2}\)?[\s\-]?\d{3}[\s\-]?\d{2}[\s\-]?\d{2}(?![\d\-])")
_HOST: Final = re.compile(
    r"(?i)(?:\b[a-z][a-z0-9+.\-]{1,20}://|\bwww\.)(?P<url>[^\s/?#]+)"
    r"|(?<![\w@.\-])(?P<bare>(?:[a-zа-яё0-9](?:[a-zа-яё0-9\-]{0,62})\.){1,4}"
    r"(?:ru|рф|su|com|net|org|me|info|biz|shop|store|online|site|by|kz|io|app|link|cc|tv))(?![\w\-])"
)
_ADDRESS: Final = re.compile(f"(?:{_HOST.pattern[4:]})(?:[/?#:][^\\s]*)?", re.IGNORECASE)
_CYRILLIC: Final = re.compile("[а-яё]", re.IGNORECASE)
_INSTEAD: Final = {
    "ru": ("есть в нашем профиле", "указанный номер"),
    "en": ("see our profile", "the number you gave"),
}
_NICK: Final = re.compile(r"(?<![\w.])@[A-Za-z][\w.]{3,}")
_MAIL: Final = re.compile(r"[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+")
_OWN: Final = ("avito.ru",)


def forbidden_in(text: str) -> str | None:
    """Why Avito would hide this text: `phone`, `link`, `mail` or `nick`; None if it may go. Links to Avito may."""
    if any(pattern.search(text) for pattern in (RUSSIAN_PHONE, _ABROAD, _BARE)):
        return "phone"
    if any(not _is_own(match["url"] or match["bare"]) for match in _HOST.finditer(text)):
        return "link"
    if _MAIL.search(text):
        return "mail"
    return "nick" if _NICK.search(text) else None


def without_contacts(text: str) -> str:
    """The text with words in place of its contacts: what stands after a colon is ours and found in the profile, another
    phone is the one that the buyer gave. Links to Avito stay."""
    ours, given = _INSTEAD["ru" if _CYRILLIC.search(text) else "en"]

    def phone(match: re.Match[str]) -> str:
        return ours if match.string[: match.start()].rstrip().endswith(":") else given

    def link(match: re.Match[str]) -> str:
        return match[0] if _is_own(match["url"] or match["bare"]) else ours

    text = _MAIL.sub(ours, text)
    text = _ADDRESS.sub(link, text)
    for pattern in (RUSSIAN_PHONE, _ABROAD, _BARE):
        text = pattern.sub(phone, text)
    return _NICK.sub(ours, text)


def _is_own(authority: str) -> bool:
    host = authority.rpartition("@")[2].partition(":")[0].lower().rstrip(".,;!)»\"'")
    return any(host == own or host.endswith("." + own) for own in _OWN)
