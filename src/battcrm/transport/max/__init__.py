"""MAX bots."""
