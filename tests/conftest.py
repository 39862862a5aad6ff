"""Fixtures for real servers. They are lazy: a test that asks for none starts none."""

from __future__ import annotations

import os
from urllib.parse import urlsplit, urlunsplit

import pytest
from hypothesis import HealthCheck, settings
from pytest_socket import socket_allow_hosts

from tests.support.database import migrated_database, wipe, with_database
from tests.support.graph import GraphServer, embedded_graph, given_graph
from tests.support.patience import relax
from tests.support.servers import Servers, TestRun
from tests.support.waiting import PATIENCE

_RUN = pytest.StashKey[TestRun]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_RUN] = TestRun()
    # How long an example takes to draw or to run says something about the machine. The same examples on every machine,
    # so that a red run can be repeated; what runs the long forms looks for new ones.
    settings.register_profile(
        "battcrm",
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=config.option.markexpr == "not long",
        print_blob=True,
    )
    settings.load_profile("battcrm")


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_RUN].leave()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """No test talks to anything but this machine."""
    socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)


@pytest.fixture(autouse=True)
def _patient(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What meets servers is not hurried."""
    if {"servers", "graph_server"}.intersection(request.fixturenames):
        relax(monkeypatch)


@pytest.fixture(scope="session")
def worker() -> str:
    """Name of this xdist worker, `main` without xdist."""
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Servers:
    """The run's PostgreSQL, Valkey and graph server."""
    return pytestconfig.stash[_RUN].servers()


@pytest.fixture(scope="session")
def pg_url(servers: Servers, worker: str, pytestconfig: pytest.Config) -> str:
    """This worker's migrated database, as its owner. It keeps what earlier tests left: see `clean_database`."""
    return migrated_database(servers.postgres_url, f"test_{worker}", pytestconfig.stash[_RUN].folder)


@pytest.fixture(scope="session")
def pg_worker_url(pg_url: str, servers: Servers) -> str:
    """The same database as the role of the worker processes."""
    return with_database(servers.worker_url, urlsplit(pg_url).path.lstrip("/"))


@pytest.fixture(scope="session")
def pg_api_url(pg_url: str, servers: Servers) -> str:
    """The same database as the role of the API, under row-level security."""
    return with_database(servers.api_url, urlsplit(pg_url).path.lstrip("/"))


@pytest.fixture
async def clean_database(pg_url: str) -> str:
    """`pg_url` with every table empty but those that migrations fill."""
    await wipe(pg_url)
    return pg_url


@pytest.fixture
def redis_url(servers: Servers, worker: str) -> str:
    """This worker's own Redis database number, empty."""
    number = int(worker.removeprefix("gw")) + 1 if worker.startswith("gw") else 0
    url = urlunsplit(urlsplit(servers.redis_url)._replace(path=f"/{number}"))
    import redis

    with redis.Redis.from_url(url, socket_timeout=PATIENCE) as client:
        client.flushdb()
    return url


@pytest.fixture(scope="session")
def graph_server(worker: str, pytestconfig: pytest.Config) -> GraphServer:
    """This worker's own graph database. It keeps what earlier tests left: see `graph`."""
    return given_graph() or embedded_graph(pytestconfig.stash[_RUN].servers(), f"test_{worker}")


@pytest.fixture
def graph(graph_server: GraphServer) -> GraphServer:
    """This worker's graph database, empty."""
    graph_server.wipe()
    return graph_server


@pytest.fixture
def graph_url(graph: GraphServer) -> str:
    """Bolt URL of `graph`; `graph_auth` and `graph_database` go with it."""
    return graph.url


@pytest.fixture
def graph_auth(graph: GraphServer) -> tuple[str, str]:
    """User and password of `graph`."""
    return graph.auth


@pytest.fixture
def graph_database(graph: GraphServer) -> str:
    """Database name of `graph`."""
    return graph.database
