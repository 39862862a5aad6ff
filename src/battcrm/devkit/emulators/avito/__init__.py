"""A strict Avito Messenger with webhooks and echoes on loopback."""

from battcrm.devkit.emulators.avito.server import AvitoEmulator

__all__ = ["AvitoEmulator"]
