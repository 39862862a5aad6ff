"""Bringing a shop's own price lists and past repairs in, from files or from other systems."""
