"""Use cases for an actor: what API, console and command line call."""
