"""Server-side request forgery guard: addresses that we did not build must not reach our own network."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from battcrm.kit.errors import Invalid, Transient

Resolve = Callable[[str, int], Awaitable[list[str]]]


def public_address(address: str) -> bool:
    """True only for a globally routable unicast address; IPv4 inside IPv6 is looked through."""
    try:
        value: IPv4Address | IPv6Address = ip_address(address.split("%", 1)[0])
    except ValueError:
        return False
    if isinstance(value, IPv6Address):
        inner = value.ipv4_mapped or value.sixtofour or (value.teredo[1] if value.teredo else None)
        value = inner or value
    return value.is_global and not value.is_multicast


async def system_resolve(host: str, port: int) -> list[str]:
    """Every address of the host by the system's resolver. Transient if the name does not resolve."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise Transient("host name does not resolve", code="dns") from None
    return [str(item[4][0]) for item in found]


async def guard_url(url: str, *, allow_private: bool = False, resolve: Resolve = system_resolve) -> str:
    """Return the URL if it is http(s), has no credentials and every address of its host is public; else Invalid.

    `allow_private` is for tests and for installations whose own services stand in the private network.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise Invalid("not a usable address", field="url", code="url_malformed") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Invalid("only http and https addresses are allowed", field="url", code="url_scheme")
    if parts.username is not None or parts.password is not None:
        raise Invalid("address must not contain credentials", field="url", code="url_credentials")
    if allow_private:
        return url
    addresses = await resolve(parts.hostname, port)
    if not addresses or not all(public_address(a) for a in addresses):
        raise Invalid("address leads into a private network", field="url", code="url_private")
    return url
