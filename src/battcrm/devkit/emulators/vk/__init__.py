"""A strict VK API with Callback API and Bots Long Poll on loopback."""

from battcrm.devkit.emulators.vk.server import VkEmulator

__all__ = ["VkEmulator"]
