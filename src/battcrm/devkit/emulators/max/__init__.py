"""A strict MAX bot API with webhooks and long polling on loopback."""

from battcrm.devkit.emulators.max.server import MaxEmulator

__all__ = ["MaxEmulator"]
