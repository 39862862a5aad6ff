"""One real query over Bolt without the graph driver: enough to know that a graph server answers, and which it is.

The driver lives in `infra/neo4j.py` and takes 0.4 s to import; a start or a `doctor` should not wait for it.
Bolt 5.1-5.4: https://neo4j.com/docs/bolt/current/bolt/message/
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from typing import Final

from battcrm.kit.errors import AuthExpired, Transient, wording

_MAGIC: Final = b"\x60\x60\xb0\x17"
_VERSIONS: Final = bytes((0, 3, 4, 5)) + bytes(12)  # 5.4 and the three minor versions below it
_HELLO, _LOGON, _RUN, _PULL, _GOODBYE = b"\xb1\x01", b"\xb1\x6a", b"\xb3\x10", b"\xb1\x3f", b"\xb0\x02"
_SUCCESS, _RECORD = 0x70, 0x71
_MAX_MESSAGE: Final = 1 << 20


async def ask_version(
    host: str,
    port: int,
    user: str,
    password: str,
    *,
    database: str | None = None,
    tls: ssl.SSLContext | None = None,
    timeout: float = 5.0,
) -> str:
    """Log in, run `RETURN 1`, and return the server's own name and version.

    Raises `AuthExpired` when the user or password is refused, `Transient` when it cannot be reached or does not answer.
    """
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(host, port, ssl=tls)
            try:
                return await _converse(reader, writer, user, password, database)
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, EOFError, TimeoutError) as error:
        raise Transient(f"no answer over Bolt: {wording(error)}", code="embedded.graph") from error


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, user: str, password: str, database: str | None
) -> str:
    writer.write(_MAGIC + _VERSIONS)
    agreed = await reader.readexactly(4)
    if agreed[3] != 5:
        raise Transient("the server speaks no Bolt 5.1-5.4", code="embedded.graph")
    writer.write(_message(_HELLO + _pack({"user_agent": "battcrm/1"})))
    server = _text_after(await _reply(reader), b"\x86server")
    writer.write(_message(_LOGON + _pack({"scheme": "basic", "principal": user, "credentials": password})))
    await _reply(reader)
    extra: dict[str, str | int] = {"db": database} if database else {}
    writer.write(_message(_RUN + _pack("RETURN 1") + _pack({}) + _pack(extra)) + _message(_PULL + _pack({"n": -1})))
    await _reply(reader)
    await _reply(reader)
    writer.write(_message(_GOODBYE))
    return server


async def _reply(reader: asyncio.StreamReader) -> bytes:
    """The body of the next SUCCESS; records before it are passed over."""
    while True:
        body = await _read_message(reader)
        kind = body[1] if len(body) > 1 else 0
        if kind == _SUCCESS:
            return body
        if kind != _RECORD:
            if b"Unauthorized" in body or b"Security" in body:
                raise AuthExpired("the graph server refuses the user or password", code="embedded.graph.auth")
            raise Transient("the graph server refuses the query", code="embedded.graph")


async def _read_message(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while len(body) <= _MAX_MESSAGE:
        size = int.from_bytes(await reader.readexactly(2), "big")
        if size:
            body += await reader.readexactly(size)
        elif body:
            return body
    raise Transient("the graph server's answer is too long", code="embedded.graph")


def _message(body: bytes) -> bytes:
    return len(body).to_bytes(2, "big") + body + b"\x00\x00"


def _pack(value: str | int | Mapping[str, str | int]) -> bytes:
    """PackStream of the few shapes used here: short strings, -1, maps of fewer than 16 entries."""
    if isinstance(value, str):
        raw = value.encode()
        return (bytes((0x80 + len(raw),)) if len(raw) < 16 else bytes((0xD0, len(raw)))) + raw
    if isinstance(value, int):
        return value.to_bytes(1, "big", signed=True)
    return bytes((0xA0 + len(value),)) + b"".join(_pack(k) + _pack(v) for k, v in value.items())


def _text_after(body: bytes, key: bytes) -> str:
    at = body.find(key)
    if at < 0:
        return "unknown"
    at += len(key)
    size, start = (body[at + 1], at + 2) if body[at] == 0xD0 else (body[at] - 0x80, at + 1)
    return body[start : start + size].decode(errors="replace")
