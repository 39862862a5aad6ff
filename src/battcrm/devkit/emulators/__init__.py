"""Loopback servers that speak each vendor's real wire protocol."""
