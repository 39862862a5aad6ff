"""Channels: one folder each, found by their manifests."""
