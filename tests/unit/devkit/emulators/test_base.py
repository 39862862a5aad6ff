"""What every emulator does alike."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest

from battcrm.devkit.emulators.base import Emulator
from battcrm.infra.http import AioHttp
from battcrm.kit.errors import Transient


async def test_nobody_takes_the_port_of_a_dark_emulator() -> None:
    async with Emulator() as emulator, AioHttp(allow_private=True) as http:
        port = urlsplit(emulator.url).port
        await emulator.go_dark()
        with pytest.raises(Transient):
            await http.request("GET", emulator.url, idempotent=True)
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        await emulator.come_back()
        assert (await http.request("GET", emulator.url, idempotent=True)).status == 404


async def test_an_emulator_may_end_while_it_is_dark() -> None:
    async with Emulator() as emulator:
        await emulator.go_dark()
    async with Emulator(port=urlsplit(emulator.url).port or 0) as next_one:
        assert next_one.url == emulator.url
