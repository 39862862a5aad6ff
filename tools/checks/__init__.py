"""Rules of this repository that no ready-made linter knows. Each is a function from a source file to findings."""
