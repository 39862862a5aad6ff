"""Telegram bots over the Bot API."""
