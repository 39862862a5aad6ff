"""Tables and unified types: the vocabulary that every layer shares."""
