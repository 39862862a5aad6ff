"""`python -m battcrm.devkit.emulators.avito --port N`: the emulator as a process, with its control API."""

from __future__ import annotations

from battcrm.devkit.emulators.avito.server import AvitoEmulator
from battcrm.devkit.emulators.control import run

ACTS = (
    "register",
    "open_chat",
    "user_says",
    "user_sends",
    "operator_says",
    "delete",
    "misses_call",
    "avito_says",
    "block",
    "expire_tokens",
    "lose_webhooks",
)

if __name__ == "__main__":
    run("avito", AvitoEmulator, ACTS)
