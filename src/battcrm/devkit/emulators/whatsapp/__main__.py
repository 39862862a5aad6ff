"""`python -m battcrm.devkit.emulators.whatsapp --port N`: the emulator as a process, with its control API."""

from __future__ import annotations

from battcrm.devkit.emulators.control import run
from battcrm.devkit.emulators.whatsapp.server import WhatsAppEmulator

ACTS = (
    "register",
    "add_person",
    "user_says",
    "user_sends",
    "press",
    "react",
    "edit",
    "revoke",
    "operator_says",
    "read",
    "block",
    "lapse",
)

if __name__ == "__main__":
    run("whatsapp", WhatsAppEmulator, ACTS)
