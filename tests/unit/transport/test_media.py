"""Files are what their bytes say, and the store never shows half of one."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from uuid import UUID

import pytest

from battcrm.kit.errors import Permanent, Transient
from battcrm.transport.media import FolderStore
from battcrm.transport.media_types import BINARY, EXECUTABLE, acceptable, is_markup, sniff

ONE, OTHER = UUID(int=1), UUID(int=2)
SAMPLES = {
    "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "image/png": b"\x89PNG\r\n\x1a\n\x00",
    "image/webp": b"RIFF\x24\x00\x00\x00WEBPVP8 ",
    "audio/wav": b"RIFF\x24\x00\x00\x00WAVEfmt ",
    "image/heif": b"\x00\x00\x00\x18ftypheic",
    "video/mp4": b"\x00\x00\x00\x18ftypisom",
    "audio/mp4": b"\x00\x00\x00\x18ftypM4A ",
    "audio/ogg": b"OggS\x00\x02",
    "audio/mpeg": b"\xff\xfb\x90\x00",
    "audio/aac": b"\xff\xf1\x50\x80",
    "application/pdf": b"%PDF-1.7",
    "application/zip": b"PK\x03\x04\x14",
    EXECUTABLE: b"MZ\x90\x00\x03",
    "text/plain": "Добрый день".encode(),
    BINARY: b"\x00\x01\x02\x03",
}


def _names(folder: Path) -> list[str]:
    return [p.name for p in folder.rglob("*") if p.is_file()]


@pytest.mark.parametrize("mime", SAMPLES)
def test_the_type_is_what_the_bytes_say(mime: str) -> None:
    assert sniff(SAMPLES[mime]) == mime


def test_nothing_is_guessed_from_too_little() -> None:
    assert sniff(b"") == BINARY
    assert sniff(b"\xff") == BINARY
    assert sniff(b"RIFF\x00\x00\x00\x00ACON") == BINARY


def test_text_that_begins_with_mz_is_text() -> None:
    assert sniff("MZ-300: сколько стоит стекло?".encode()) == "text/plain"


def test_a_character_cut_by_the_sample_is_still_text() -> None:
    assert sniff(b"a" + "я".encode() * 4000) == "text/plain"


@pytest.mark.parametrize(
    ("kind", "mime", "fine"),
    [
        ("photo", "image/jpeg", True),
        ("photo", "application/pdf", False),
        ("photo", "text/plain", False),
        ("voice", "audio/ogg", True),
        ("voice", "image/png", False),
        ("video", "video/mp4", True),
        ("document", "application/pdf", True),
        ("document", BINARY, True),
        ("document", EXECUTABLE, False),
    ],
)
def test_a_kind_has_its_types(kind: str, mime: str, fine: bool) -> None:
    assert acceptable(kind, mime) is fine


@pytest.mark.parametrize("body", [b"<!DOCTYPE html><p>", b"\xef\xbb\xbf\n <svg onload=x>", b"<script>"])
def test_markup_is_known(body: bytes) -> None:
    assert is_markup(body)
    assert not is_markup(b"a < b")


async def test_the_same_content_is_kept_once_a_tenant(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    digest = await store.put(ONE, b"abc")
    assert digest == await store.put(ONE, b"abc") == hashlib.sha256(b"abc").hexdigest()
    assert _names(tmp_path) == [digest]
    assert await store.get(ONE, digest) == b"abc"
    with pytest.raises(Permanent):
        await store.get(OTHER, digest)
    await store.remove(ONE, digest)
    await store.remove(ONE, digest)
    with pytest.raises(Permanent):
        await store.get(ONE, digest)


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "A" * 64, "0" * 63])
async def test_only_digests_name_files(tmp_path: Path, name: str) -> None:
    with pytest.raises(Permanent):
        await FolderStore(tmp_path).get(ONE, name)


async def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Transient, match="No space left"):
        await FolderStore(tmp_path).put(ONE, b"abc")
    assert _names(tmp_path) == []


async def test_half_a_file_from_elsewhere_is_replaced(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    digest = await store.put(ONE, b"abcdef")
    store.path(ONE, digest).write_bytes(b"abc")
    await store.put(ONE, b"abcdef")
    assert await store.get(ONE, digest) == b"abcdef"
