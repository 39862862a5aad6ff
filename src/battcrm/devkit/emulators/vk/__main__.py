"""`python -m battcrm.devkit.emulators.vk --port N`: the emulator as a process, with its control API."""

from __future__ import annotations

from battcrm.devkit.emulators.control import run
from battcrm.devkit.emulators.vk.server import VkEmulator

ACTS = ("register", "user_says", "edit", "press", "allow", "deny", "read", "operator_says")

if __name__ == "__main__":
    run("vk", VkEmulator, ACTS)
