"""The chat page: our own HTML, CSS and script, no build step, strict Content-Security-Policy."""

from __future__ import annotations

import hashlib
import html
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template
from typing import Any, Final

from battcrm.transport.base import ChannelAccount
from battcrm.transport.webchat.texts import TEXTS

_STATIC: Final = Path(__file__).parent / "static"
_MEDIA_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_HANDSET: Final = (
    '<svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" focusable="false"><path fill="none" '
    'stroke="currentColor" stroke-width="2" stroke-linejoin="round" d="M6 3h3l2 5-2.5 1.5a11 11 0 0 0 6 6L16 13l5 2v3a3 3 0 '
    '0 1-3 3A15 15 0 0 1 3 6a3 3 0 0 1 3-3z"/></svg>'
)
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?")


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file of the page."""

    content: bytes
    media_type: str
    etag: str


@cache
def asset(name: str) -> Asset | None:
    """One of the page's files by its name; None for any other name."""
    path = _STATIC / name
    if path.suffix not in _MEDIA_TYPES or name not in {p.name for p in _STATIC.iterdir()}:
        return None
    content = path.read_bytes()
    return Asset(content, _MEDIA_TYPES[path.suffix], f'"{hashlib.sha256(content).hexdigest()[:20]}"')


def language_of(preference: str) -> str:
    """`ru` or `en` for a language tag or an Accept-Language header; Russian unless English comes first."""
    for part in preference.lower().split(","):
        code = part.strip()[:2]
        if code in TEXTS:
            return code
    return "ru"


def render(account: ChannelAccount, key: str, language: str) -> str:
    """The page of one chat. Everything that comes from settings is escaped."""
    texts = TEXTS[language]
    settings = account.settings
    name = _setting(settings, "shop_name") or texts["default_name"]
    values = {
        "lang": language,
        "key": key,
        "name": name,
        "initial": next((c for c in name if c.isalnum()), "•").upper(),
        "greeting": _setting(settings, "greeting") or texts["greeting"],
        "subtitle": _setting(settings, "hours") or texts["subtitle"],
        "accent": _colour(settings.get("accent")),
        "texts": json.dumps(texts, ensure_ascii=False),
        "title": texts["title"].format(name=name),
        "skip": texts["skip"],
        "log_label": texts["log_label"],
        "field_label": texts["field_label"],
        "placeholder": texts["placeholder"],
        "send": texts["send"],
        "hint": texts["hint"],
        "latest": texts["latest"],
        "no_script": texts["no_script"],
    }
    safe = {k: html.escape(v, quote=True) for k, v in values.items()}
    phone = _setting(settings, "phone")
    dial = re.sub(r"[^0-9+]", "", phone)
    call = html.escape(texts["call"], quote=True)
    number = html.escape(phone)
    safe["phone"] = (
        f'<a class="call" href="tel:{dial}" aria-label="{call}: {number}">{_HANDSET}<span>{number}</span></a>'
    )
    safe["phone"] = safe["phone"] if dial else ""
    return _template().substitute(safe)


def headers(account: ChannelAccount) -> dict[str, str]:
    """Security headers; `embed_origins` of the settings may show the page in a frame."""
    allowed = account.settings.get("embed_origins")
    origins = [o for o in allowed if isinstance(o, str) and _ORIGIN.fullmatch(o)] if isinstance(allowed, list) else []
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' https: data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )
    return {
        "Content-Security-Policy": " ".join([policy, *origins]),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        "Cache-Control": "no-cache",
    }


@cache
def _template() -> Template:
    return Template((_STATIC / "chat.html").read_text("utf-8"))


def _setting(settings: Any, name: str) -> str:
    value = settings.get(name)
    return value.strip() if isinstance(value, str) else ""


def _colour(value: Any) -> str:
    return value if isinstance(value, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", value) else ""
