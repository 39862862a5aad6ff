"""Graph databases for tests: one per worker on the embedded server, or a real Neo4j given by the environment."""

from __future__ import annotations

import base64
import json
import os
import urllib.request
from dataclasses import dataclass

from tests.support.servers import Servers
from tests.support.waiting import PATIENCE


@dataclass(frozen=True)
class GraphServer:
    """What a driver needs."""

    url: str
    user: str
    password: str
    database: str

    @property
    def auth(self) -> tuple[str, str]:
        """User and password as the driver takes them."""
        return (self.user, self.password)

    def wipe(self) -> None:
        """Remove every node and relationship of this worker's database."""
        import neo4j  # as slow to import as a hundred unit tests

        # In pieces: what a long test left is too much for one transaction of a small server.
        pieces = (
            "MATCH ()-[r]->() WITH r LIMIT 20000 DELETE r RETURN count(r) AS gone",
            "MATCH (n) WITH n LIMIT 20000 DELETE n RETURN count(n) AS gone",
        )
        with neo4j.GraphDatabase.driver(self.url, auth=self.auth) as driver:
            for text in pieces:
                while driver.execute_query(text, database_=self.database).records[0]["gone"]:
                    pass


def given_graph() -> GraphServer | None:
    """A real Neo4j, when BATTCRM_TEST_NEO4J_URL names one. Its data is removed; run without xdist."""
    url = os.environ.get("BATTCRM_TEST_NEO4J_URL")
    if not url:
        return None
    user = os.environ.get("BATTCRM_TEST_NEO4J_USER", "neo4j")
    return GraphServer(url, user, os.environ["BATTCRM_TEST_NEO4J_PASSWORD"], "neo4j")


def embedded_graph(servers: Servers, name: str) -> GraphServer:
    """A new database on the run's embedded server."""
    request = urllib.request.Request(
        f"{servers.graph_http_url}/api/v1/server",
        data=json.dumps({"command": f"create database {name}"}).encode(),
        headers={
            "Content-Type": "application/json",
            "Authorization": "Basic "
            + base64.b64encode(f"{servers.neo4j_user}:{servers.neo4j_password}".encode()).decode(),
        },
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        response.read()
    return GraphServer(servers.neo4j_url, servers.neo4j_user, servers.neo4j_password, name)
