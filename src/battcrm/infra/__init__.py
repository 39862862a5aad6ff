"""Adapters to servers and vendors: PostgreSQL, Redis, Bolt graph, HTTP, models, due-work, telemetry."""
