"""Measures extraction against labelled dialogues (the format is described in the repository's labelling rules)."""
