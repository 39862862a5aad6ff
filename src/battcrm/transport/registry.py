"""Finds channels by their folders: a sub-package of `battcrm.transport` with `manifest.MANIFEST` is a channel.

Nothing is imported until asked for by kind; adding a channel edits no code here.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from functools import cache

from battcrm import transport
from battcrm.kit.errors import Invalid
from battcrm.transport.base import Manifest

_added: dict[str, Manifest] = {}


@cache
def _folders() -> frozenset[str]:
    return frozenset(
        item.name
        for item in pkgutil.iter_modules(transport.__path__)
        if item.ispkg and importlib.util.find_spec(f"{transport.__name__}.{item.name}.manifest") is not None
    )


def kinds() -> tuple[str, ...]:
    """Every known channel kind, sorted."""
    return tuple(sorted(_folders() | _added.keys()))


def manifest_of(kind: str) -> Manifest:
    """The manifest of a kind. Invalid names the known kinds if there is none."""
    if kind in _added:
        return _added[kind]
    if kind not in _folders():
        raise Invalid(
            f"unknown channel {kind!r}",
            field="channel",
            remedy=f"known channels: {', '.join(kinds())}",
            code="unknown_channel",
        )
    found = importlib.import_module(f"{transport.__name__}.{kind}.manifest").MANIFEST
    if not isinstance(found, Manifest) or found.kind != kind:
        raise Invalid(f"{kind}/manifest.py must define MANIFEST with kind={kind!r}", field="kind")
    return found


def register(manifest: Manifest) -> None:
    """Add a channel that lives outside this package (a plug-in, a test's toy). It may not shadow a folder."""
    if manifest.kind in _folders():
        raise Invalid(f"channel {manifest.kind!r} already has a folder", field="kind")
    _added[manifest.kind] = manifest


def unregister(kind: str) -> None:
    """Remove what `register` added; unknown kinds are ignored."""
    _added.pop(kind, None)
