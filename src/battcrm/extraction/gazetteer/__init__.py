"""The device catalogue: names, aliases and codes of what repair shops repair, compiled for fast scanning."""
