"""`battcrm eval extraction --mode model`: the model of this process's OPENAI_* settings fills what rules leave open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from battcrm.extraction.dispatcher import Context, RuleReader
from battcrm.extraction.evaluation.dataset import Example
from battcrm.extraction.evaluation.run import evaluate_with_model
from battcrm.extraction.gazetteer.catalogue import Catalogue
from battcrm.extraction.llm_call import Asking, ModelReader
from battcrm.infra.llm.build import JsonChat, json_chat
from battcrm.kit.errors import Invalid, Permanent
from battcrm.models.calls import CallScope
from battcrm.models.facts import Completion, Reading
from battcrm.settings import Settings, load_settings

_REFUSED: Final = frozenset({"AuthExpired", "unauthorized"})
_NOBODY: Final = UUID(int=0)
_REMEDY: Final = "set OPENAI_API_KEY, or OPENAI_BASE_URL of a local gateway, or use --mode rules"


async def measure(reader: RuleReader, catalogue: Catalogue, examples: Sequence[Example]) -> dict[str, Any]:
    """The report of model mode, with what was asked under `model`.

    Raises Invalid when no model is configured, Permanent when the gateway refuses the key. Other failures of the model
    are part of the result: rules' reading stands, and `model.failed` counts them. The chat is closed in any case.
    """
    settings = load_settings()
    chat = chat_of(settings)
    model = ModelReader(chat, catalogue)
    refused = Permanent("the model's gateway refused the key")

    async def complete(texts: Sequence[str], reading: Reading, context: Context) -> Completion:
        asking = Asking(context.known, context.expecting, context.options)
        done = await model.complete(texts, reading, asking, CallScope(_NOBODY, purpose="evaluation"))
        if done.failed in _REFUSED:
            raise refused
        return done

    try:
        report = await evaluate_with_model(reader, complete, examples)
    except ExceptionGroup as errors:
        if errors.subgroup(Permanent) is None:
            raise
        raise refused from None
    finally:
        await chat.aclose()
    report["model"] |= {"names": [settings.openai_model, settings.openai_small_model], "gateway": _gateway(settings)}
    return report


def _gateway(settings: Settings) -> str:
    """Who answered, for whoever compares numbers: an emulator's say nothing about a model."""
    return urlsplit(settings.openai_base_url).netloc if settings.openai_base_url else "api.openai.com"


def chat_of(settings: Settings) -> JsonChat:
    """The chat model of the settings. Raises Invalid, with a remedy, when there is none."""
    if settings.openai_api_key is None and settings.openai_base_url is None:
        raise Invalid("no model is configured", field="--mode model", remedy=_REMEDY)
    return json_chat(settings)
