"""The key of a local installation: made once, kept beside the embedded servers' data."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Final

_NAME: Final = "secret.key"


def has_local_key(home: Path) -> bool:
    """True once a local key has been made."""
    return (home / _NAME).is_file()


def local_key(home: Path) -> bytes:
    """The key in `home`/secret.key (mode 0600), made on first use. Concurrent first uses agree on one key."""
    path = home / _NAME
    home.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return base64.b64decode(path.read_text("ascii"))
    with os.fdopen(handle, "w", encoding="ascii") as file:
        key = os.urandom(32)
        file.write(base64.b64encode(key).decode())
    return key
