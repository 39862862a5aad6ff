"""A strict WhatsApp Cloud API with signed webhooks on loopback."""

from battcrm.devkit.emulators.whatsapp.server import WhatsAppEmulator

__all__ = ["WhatsAppEmulator"]
