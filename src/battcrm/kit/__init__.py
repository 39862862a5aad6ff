"""Domain-free building blocks; imports nothing of ours."""
