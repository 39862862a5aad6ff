"""What a call costs, in micro-roubles. One rouble per million tokens is one micro-rouble per token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from battcrm.infra.llm.base import ChatRequest, Usage

DEFAULT: Final = "*"
_BYTES_PER_TOKEN: Final = 3
_ANSWER_TOKENS: Final = 300


class PriceTable:
    """Prices by model name: roubles per million tokens, in and out. `*` is the price of a model that is not listed."""

    def __init__(self, prices: Mapping[str, tuple[float, float]]) -> None:
        self._prices = dict(prices)

    def cost(self, model: str, usage: Usage) -> int:
        """Micro-roubles of what was used, rounded up to whole ones."""
        price_in, price_out = self._of(model)
        return -int(-(usage.tokens_in * price_in + usage.tokens_out * price_out) // 1)

    def estimate(self, model: str, request: ChatRequest) -> int:
        """Micro-roubles to set aside before the call: rather too many than too few."""
        return self.cost(model, Usage(self.written(request).tokens_in, _ANSWER_TOKENS))

    def written(self, request: ChatRequest) -> Usage:
        """What sending the question alone takes, guessed from its length."""
        return Usage(sum(len(message["content"].encode()) for message in request.messages) // _BYTES_PER_TOKEN)

    def _of(self, model: str) -> tuple[float, float]:
        # Providers answer with a dated name: gpt-4.1-2025-04-14 costs what gpt-4.1 does.
        names = (name for name in self._prices if model == name or model.startswith(f"{name}-20"))
        return self._prices.get(max(names, key=len, default=DEFAULT), (0.0, 0.0))
