"""A protocol test bench: the real roles on real servers, with deaths and dropped connections at chosen statements."""
