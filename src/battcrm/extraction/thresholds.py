"""The one number that separates "we act on it" from "we ask"."""

from __future__ import annotations

from typing import Final

ACT: Final = 0.75
"""A field counts as known when its confidence reaches this; below it, it is a candidate for a question."""
