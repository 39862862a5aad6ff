"""Where customers' files are kept: by content hash, in one folder a tenant."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import Final, Protocol
from uuid import UUID

from battcrm.kit.errors import Permanent, Transient

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class MediaStore(Protocol):
    """Keeps files for ever, until removed. The same content of one tenant is kept once."""

    async def put(self, tenant_id: UUID, content: bytes) -> str:
        """Keep the content; returns its SHA-256 (hex). Transient if it cannot be written."""
        ...

    async def get(self, tenant_id: UUID, sha256: str) -> bytes:
        """The content. Permanent (`no_file`) if there is none."""
        ...

    async def remove(self, tenant_id: UUID, sha256: str) -> None:
        """Forget a file; one that is not there is no error."""
        ...


class FolderStore:
    """`root/<tenant>/<first two digits>/<sha256>`, readable by its owner alone; a file is complete or not there."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, tenant_id: UUID, sha256: str) -> Path:
        """Where the file is or would be. Permanent for what is no digest."""
        if _DIGEST.fullmatch(sha256) is None:
            raise Permanent("not a SHA-256", code="no_file")
        return self._root / str(tenant_id) / sha256[:2] / sha256

    async def put(self, tenant_id: UUID, content: bytes) -> str:
        """See MediaStore."""
        return await asyncio.to_thread(self._put, tenant_id, content)

    async def get(self, tenant_id: UUID, sha256: str) -> bytes:
        """See MediaStore."""
        try:
            return await asyncio.to_thread(self.path(tenant_id, sha256).read_bytes)
        except OSError:
            raise Permanent("the file is not in the store", code="no_file") from None

    async def remove(self, tenant_id: UUID, sha256: str) -> None:
        """See MediaStore."""
        await asyncio.to_thread(self.path(tenant_id, sha256).unlink, missing_ok=True)

    def _put(self, tenant_id: UUID, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        target = self.path(tenant_id, digest)
        try:
            if not target.is_file() or target.stat().st_size != len(content):
                _write(target, content)
        except OSError as error:
            raise Transient(f"the media folder cannot be written: {error.strerror}", code="media_store") from None
        return digest


def _write(target: Path, content: bytes) -> None:
    """Write beside the target, then rename: nobody ever reads half a file, whatever dies in between."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
