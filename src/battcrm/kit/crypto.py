"""Sealing of secrets at rest: AES-256-GCM with key rotation."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Mapping, Sequence

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from battcrm.kit.errors import Invalid, Permanent


class Vault:
    """Seals small documents. The first key seals; every key opens, so keys rotate without a stop.

    Layout: 4 bytes key id, 12 bytes nonce, ciphertext with tag. `context` binds a document to its row.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != 32 for key in keys):
            raise Invalid(
                "secret keys must be 32 bytes each", field="BATTCRM_SECRET_KEYS", remedy="base64 of 32 random bytes"
            )
        self._keys = {hashlib.sha256(key).digest()[:4]: AESGCM(key) for key in keys}
        self._current = hashlib.sha256(keys[0]).digest()[:4]

    @classmethod
    def from_text(cls, text: str) -> Vault:
        """Keys from comma-separated base64, newest first."""
        try:
            return cls([base64.b64decode(part.strip(), validate=True) for part in text.split(",") if part.strip()])
        except binascii.Error as error:
            raise Invalid(
                "secret keys are not valid base64", field="BATTCRM_SECRET_KEYS", remedy="base64 of 32 random bytes"
            ) from error

    def seal(self, document: Mapping[str, str], context: bytes) -> bytes:
        """Encrypt a document for one row."""
        nonce = os.urandom(12)
        return self._current + nonce + self._keys[self._current].encrypt(nonce, orjson.dumps(dict(document)), context)

    def open(self, sealed: bytes, context: bytes) -> dict[str, str]:
        """Decrypt. Permanent if the key is gone or the bytes were changed or moved to another row."""
        if not sealed:
            return {}
        key = self._keys.get(sealed[:4])
        if key is None:
            raise Permanent("sealed with a key that is not configured", code="vault_key")
        try:
            document: dict[str, str] = orjson.loads(key.decrypt(sealed[4:16], sealed[16:], context))
        except InvalidTag:
            raise Permanent("sealed document was altered or belongs to another row", code="vault_tag") from None
        return document

    def needs_rotation(self, sealed: bytes) -> bool:
        """True if the document is sealed with an older key."""
        return bool(sealed) and sealed[:4] != self._current
