"""`battcrm eval extraction --mode model`: the model of this process's OPENAI_* settings fills what rules leave open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from battcrm.extraction.dispatcher import Context, RuleReader
from battcrm.extraction.evaluation.dataset import Example
from battcrm.extraction.evaluation.run import evaluate_with_model
from battcrm.extraction.gazetteer.catalogue import Catalogue
from battcrm.extraction.llm_call import Asking, ModelReader
from battcrm.infra.llm.build import JsonChat, json_chat
from battcrm.kit.errors import Invalid, Permanent
from battcrm.models.facts import Reading
from battcrm.settings import Settings, load_settings

_REFUSED = frozenset({"AuthExpired", "unauthorized"})
_REMEDY = "set OPENAI_API_KEY, or OPENAI_BASE_URL of a local gateway, or use --mode rules"


async def measure(reader: RuleReader, catalogue: Catalogue, examples: Sequence[Example]) -> dict[str, Any]:
    """The report of model mode. Raises Invalid when no model is configured or the first call is refused."""
    chat = chat_of(load_settings())
    model = ModelReader(chat, catalogue)

    async def complete(texts: Sequence[str], reading: Reading, context: Context) -> Reading:
        done = await model.complete(texts, reading, Asking(context.known, context.expecting, context.options))
        if done.failed in _REFUSED:
            raise Permanent("the model's gateway refused the key")
        return done.reading

    try:
        return await evaluate_with_model(reader, complete, examples)
    finally:
        await chat.aclose()


def chat_of(settings: Settings) -> JsonChat:
    """The chat model of the settings. Raises Invalid, with a remedy, when there is none."""
    if settings.openai_api_key is None and settings.openai_base_url is None:
        raise Invalid("no model is configured", field="--mode model", remedy=_REMEDY)
    return json_chat(settings)
