"""A strict OpenAI-compatible chat completions server on loopback, with a rule where the model would be."""

from battcrm.devkit.emulators.openai.server import OpenAiEmulator

__all__ = ["OpenAiEmulator"]
