"""What reads texts, put together: the rules, and with a key the models behind them. Loads neither graph nor channels."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from battcrm.extraction.dispatcher import RuleExtractor
from battcrm.extraction.gazetteer.catalogue import Catalogue
from battcrm.extraction.llm_call import ModelReader
from battcrm.extraction.normalise_morph import warm_up
from battcrm.infra.due import NO_TENANT
from battcrm.pipeline.ports import Extractor, ReadingContext
from battcrm.workers.models import chat_call
from battcrm.workers.runtime import Runtime

# Model calls leave cycles behind that have survived the partial collections: at hundreds a second they add up.
_WHOLE: Final = 16
_YOUNG: Final = 20_000
_MIDDLE: Final = 5
# One of each kind of path through the rules: Cyrillic, Latin, a slip of the layout, a code, a question, two devices.
_TEXTS: Final = (
    "здравствуйте, сколько стоит поменять экран на айфон 13 про?",
    "razbil ekran na redmi note 10 pro, skolko stoit",
    "ghbdtn, rfr ltkf",
    "SM-A525F не заряжается, запчасть своя",
    "мой заказ 1245 готов?",
    "ноут асус греется, а ещё у самокат ниндзя не крутит колесо",
)


@asynccontextmanager
async def opened_reading(runtime: Runtime) -> AsyncIterator[RuleExtractor]:
    """An extractor that has read before, on its own connections to the model; they are closed at the end."""
    catalogue = Catalogue.load()
    warm_up()
    chat = chat_call(runtime, shared=False) if runtime.settings.openai_api_key is not None else None
    settle_memory(whole=_WHOLE)
    try:
        extractor = RuleExtractor(catalogue, ModelReader(chat, catalogue) if chat is not None else None)
        await warm_reading(extractor)
        yield extractor
    finally:
        if chat is not None:
            await chat.aclose()


async def warm_reading(extractor: Extractor) -> None:
    """Dictionaries and tables of rules are loaded; other tasks run between the texts."""
    for text in _TEXTS:
        extractor.read((text,), ReadingContext(NO_TENANT))
        await asyncio.sleep(0)


def settle_memory(*, whole: int = 200) -> None:
    """Take what was loaded for good out of the collector's sight: scanning a dictionary of words again and again
    stops the loop for tens of milliseconds. `whole`: how many partial collections go before one of everything.

    Few young collections cost less, for most objects die before; a middle one over twenty of them took 150 ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, whole)
