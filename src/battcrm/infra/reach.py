"""Connecting for somebody who can mend what is wrong: the error names the variable and the way on."""

from __future__ import annotations

from typing import Any, Final

import asyncpg

from battcrm.infra.postgres import UNAVAILABLE, Pool, open_pool
from battcrm.kit.errors import Invalid, wording

# Waiting does not mend these: the server answers, and does not want us.
REFUSED: Final = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)


async def reach(url: str, *, variable: str = "DATABASE_URL", **options: Any) -> Pool:
    """`open_pool`, for a command. Invalid, naming where `url` was given, when the server is away or refuses us."""
    try:
        return await open_pool(url, **options)
    except (*UNAVAILABLE, *REFUSED) as error:
        raise cannot_connect(error, variable=variable) from error


def cannot_connect(error: BaseException, server: str = "PostgreSQL", variable: str = "DATABASE_URL") -> Invalid:
    """What to tell whoever configured the server."""
    return Invalid(
        f"cannot connect to {server}: {wording(error)}",
        field=variable,
        remedy="correct it or start that server (the local one: `battcrm up`); `battcrm doctor` says more",
        code="cannot_connect",
    )
