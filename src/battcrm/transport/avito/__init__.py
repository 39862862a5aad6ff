"""Avito Messenger: chats about ads."""
