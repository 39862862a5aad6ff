"""Dialogue scripts: what people and operators do, and what must come of it, played against the real pipeline."""
