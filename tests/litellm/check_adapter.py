"""The litellm adapter against the emulated provider: `python -m tests.litellm.check_adapter` where litellm is installed.

It is no test module, because the library must not be in the environment that the other tests run in
(requirements/litellm.lock has its own). Exit 0 = every answer and every error reads as with the other adapter.
"""

from __future__ import annotations

import asyncio
import sys
from uuid import UUID

from battcrm.devkit.emulators.base import Fault
from battcrm.devkit.emulators.openai import OpenAiEmulator
from battcrm.extraction.prompts.loader import load_prompt
from battcrm.infra.llm.base import ChatModel, ChatRequest
from battcrm.infra.llm.litellm import LitellmChat
from battcrm.kit.clock import SystemClock
from battcrm.kit.errors import BattError
from battcrm.models.calls import CallScope

EXPECTED = {
    "": "ok",
    "rate_limited": "RateLimited rate_limited",
    "quota": "Permanent quota",
    "server_error": "Transient provider_error",
    "revoked": "AuthExpired unauthorized",
    "unknown_model": "Invalid invalid_request",
    "bad_request": "Invalid invalid_request",
    "truncated": "BadAnswer invalid_answer",
    "schema_violation": "BadAnswer invalid_answer",
    "slow": "Transient timeout",
}


async def outcome(chat: ChatModel, emulator: OpenAiEmulator, fault: str) -> str:
    """What one call ends with while the provider suffers the fault."""
    emulator.faults.clear()
    if fault:
        emulator.faults.add(Fault(fault, seconds=9.0, status=503), times=9)
    prompt = load_prompt()
    messages = [{"role": "system", "content": prompt.system}, {"role": "user", "content": "экран на айфон 11"}]
    scope = CallScope(UUID(int=1))
    try:
        answer = await chat.complete(ChatRequest(messages, prompt.schema, "answer", 3.0, scope))
    except BattError as error:
        return f"{type(error).__name__} {error.code}"
    return "ok" if answer.parsed["items"] and answer.provider_ms == 40 and answer.tokens_in else "incomplete"


async def main() -> int:
    """Compare every outcome; 1 when one differs."""
    async with OpenAiEmulator(latency_ms=(40, 40)) as emulator:
        chat = LitellmChat("openai/gpt-4.1", SystemClock(), api_key="k", base_url=f"{emulator.url}/v1")
        await outcome(chat, emulator, "")
        found = {fault: await outcome(chat, emulator, fault) for fault in EXPECTED}
    wrong = {fault: said for fault, said in found.items() if said != EXPECTED[fault]}
    sys.stdout.write(f"{len(found) - len(wrong)} of {len(found)} as expected; others: {wrong}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
