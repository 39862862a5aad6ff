"""A strict Telegram Bot API on loopback."""

from battcrm.devkit.emulators.telegram.server import TelegramEmulator

__all__ = ["TelegramEmulator"]
