"""Breaks: single rules taken out of a copy of the product, to see that scripts and tests notice."""
