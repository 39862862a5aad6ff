"""A second opinion on what the rules read: how alike the text is to labelled dialogues of each kind.

Rules explain themselves but take a word at its face value; likeness weighs the whole text but explains nothing. Where both
agree the reading is safe, where they disagree nobody should act on it. See docs/guides/extraction.md.
"""
