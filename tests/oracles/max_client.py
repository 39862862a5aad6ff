"""maxapi speaking to a MAX server at an address; runs in the oracles' own environment, not in ours.

Usage: python max_client.py URL TOKEN CHAT CALLBACK FILE → what maxapi made of the answers, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys

from maxapi import Bot
from maxapi.exceptions.max import InvalidToken, MaxApiError
from maxapi.types import CallbackButton, InputMedia, LinkButton
from maxapi.types.attachments.attachment import ButtonsPayload
from maxapi.types.message import NewMessageLink


async def run(url: str, token: str, chat: int, callback: str, file: str) -> dict[str, object]:
    bot = Bot(token)
    bot.set_api_url(url)
    bot.after_input_media_delay = 0.0
    buttons = [[CallbackButton(text="Да", payload="y"), CallbackButton(text="Нет", payload="n")]]
    buttons.append([LinkButton(text="Сайт", url="https://shop.example/")])
    keyboard = ButtonsPayload(buttons=buttons).pack()
    seen: dict[str, object] = {}
    try:
        seen["me"] = (await bot.get_me()).user_id
        sent = await bot.send_message(chat_id=chat, text="Привет", attachments=[keyboard])
        mid = sent.message.body.mid
        link = NewMessageLink(type="reply", mid=mid)
        reply = await bot.send_message(chat_id=chat, text="Ответ", link=link)
        await bot.send_message(chat_id=chat, text="Файл", attachments=[InputMedia(path=file)])
        await bot.edit_message(message_id=mid, text="Исправлено")
        seen["ids"] = [mid, reply.message.body.mid]
        seen["answered"] = (await bot.send_callback(callback_id=callback, notification="Ок")).success
        seen["subscribed"] = (await bot.subscribe_webhook(url="https://shop.example/hook", secret="s3cret")).success
        listed = await bot.get_subscriptions()
        seen["urls"] = [item.url for item in listed.subscriptions]
        seen["removed"] = (await bot.unsubscribe_webhook(url="https://shop.example/hook")).success
        updates = await bot.get_updates(limit=10, timeout=0)
        seen["marker"] = isinstance(updates["marker"], int)
        errors: list[object] = []
        for _ in range(3):
            try:
                await bot.send_message(chat_id=chat, text="fault")
            except MaxApiError as error:
                errors.append([error.code, error.raw["code"]])
            except InvalidToken:
                errors.append("invalid token")
        seen["errors"] = errors
        return seen
    finally:
        await bot.close_session()


def main() -> None:
    url, token, chat, callback, file = sys.argv[1:]
    sys.stdout.write(json.dumps(asyncio.run(run(url, token, int(chat), callback, file)), ensure_ascii=False))


main()
