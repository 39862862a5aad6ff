"""`python -m battcrm.devkit.emulators.telegram --port N`: the emulator as a process, with its control API."""

from __future__ import annotations

from battcrm.devkit.emulators.control import run
from battcrm.devkit.emulators.telegram.server import TelegramEmulator

ACTS = ("user_says", "edit", "press", "block", "unblock")

if __name__ == "__main__":
    run("telegram", TelegramEmulator, ACTS)
