"""The web chat: our own channel, with a page of its own."""
