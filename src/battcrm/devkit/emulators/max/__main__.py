"""`python -m battcrm.devkit.emulators.max --port N`: the emulator as a process, with its control API."""

from __future__ import annotations

from battcrm.devkit.emulators.control import run
from battcrm.devkit.emulators.max.server import MaxEmulator

ACTS = (
    "register",
    "press_start",
    "stop_bot",
    "user_says",
    "user_sends",
    "shares_contact",
    "edit",
    "remove",
    "press",
    "block",
)

if __name__ == "__main__":
    run("max", MaxEmulator, ACTS)
