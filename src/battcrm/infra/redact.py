"""Secrets out of texts that people read: errors, logs, traces."""

from __future__ import annotations

import re
from typing import Final

_RULES: Final = (
    # Telegram carries its token in the path.
    (re.compile(r"(/(?:file/)?bot)\d+:[^/\s?\"']+"), r"\1***"),
    (re.compile(r"\b\d{5,}:[A-Za-z0-9_-]{20,}"), "***"),
    (
        re.compile(
            r"(?i)\b(access_token|client_secret|secret_key|secret|token|password|api_key)(=|\"?\s*:\s*\"?)[^&\s\"',}]+"
        ),
        r"\1\2***",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]+"), r"\1 ***"),
    # user:password@ of proxy addresses
    (re.compile(r"(://)[^/\s@]+@"), r"\1***@"),
)


def redact(text: str) -> str:
    """The text with tokens, bearer headers, credentials in URLs and secret parameters replaced by `***`."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text
