"""Local stand-ins for PostgreSQL, Redis and Neo4j, started as ordinary processes below one folder."""

from battcrm.infra.embedded.supervisor import ALL, Running, ServerStatus, attach, start, status, stop, temporary

__all__ = ["ALL", "Running", "ServerStatus", "attach", "start", "status", "stop", "temporary"]
