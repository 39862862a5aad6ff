"""Composition roots: which concrete class goes where, one file a process role."""
