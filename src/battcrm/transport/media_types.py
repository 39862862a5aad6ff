"""What a file is by its first bytes, and whether it may be what the platform says it is."""

from __future__ import annotations

from typing import Final

# The first match wins.
_MAGIC: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"#!AMR", "audio/amr"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"\x1f\x8b", "application/gzip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"{\\rtf", "application/rtf"),
    (b"\x7fELF", "application/x-executable"),
    (b"\xca\xfe\xba\xbe", "application/x-executable"),
    (b"\xcf\xfa\xed\xfe", "application/x-executable"),
    (b"#!/", "application/x-executable"),
)
_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_HEIF: Final = frozenset({b"heic", b"heix", b"mif1", b"msf1", b"hevc", b"avif"})
_SOUND: Final = frozenset({b"M4A ", b"M4B "})
# Browsers run these, whatever they are called: kept as they are, but never under a type of their own.
_MARKUP: Final = (b"<!doctype html", b"<html", b"<svg", b"<script", b"<?xml")
EXECUTABLE: Final = "application/x-executable"
BINARY: Final = "application/octet-stream"
_SOUNDS: Final = ("audio/", "video/mp4", "video/webm")
_EXPECTED: Final[dict[str, tuple[str, ...]]] = {
    "photo": ("image/",),
    "video": ("video/", "image/gif", "audio/ogg"),
    "video_note": ("video/",),
    "voice": _SOUNDS,
    "audio": _SOUNDS,
}


def sniff(content: bytes) -> str:
    """The type by magic bytes, `text/plain` for text, else `application/octet-stream`."""
    for magic, mime in _MAGIC:
        if content.startswith(magic):
            return mime
    if content.startswith(b"RIFF"):
        return _RIFF.get(content[8:12], BINARY)
    if content.startswith(b"MZ") and b"\x00" in content[:64]:
        return EXECUTABLE
    if content[4:8] == b"ftyp":
        brand = content[8:12]
        return "image/heif" if brand in _HEIF else "audio/mp4" if brand in _SOUND else "video/mp4"
    if len(content) > 1 and content[0] == 0xFF and content[1] & 0xE0 == 0xE0:
        # Frame sync of a bare MPEG stream: layer 0 is AAC in ADTS.
        return "audio/aac" if content[1] & 0x06 == 0 else "audio/mpeg"
    return "text/plain" if _is_text(content) else BINARY


def acceptable(kind: str, mime: str) -> bool:
    """Whether an attachment of this kind may have this type. Programs may not, under any name."""
    if mime == EXECUTABLE:
        return False
    expected = _EXPECTED.get(kind)
    return expected is None or mime.startswith(expected)


def is_markup(content: bytes) -> bool:
    """Text that a browser would execute or render as a page."""
    return content[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_MARKUP)


def _is_text(content: bytes) -> bool:
    head = content[:4096]
    if not head or b"\x00" in head:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character cut by the end of the sample is no sign of a binary file.
        return error.start >= len(head) - 3 and len(content) > len(head)
    return True
