"""The turn: the only place where the core layers meet."""
