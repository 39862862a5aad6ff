"""vkbottle speaking to a VK server at an address; runs in the oracles' own environment, not in ours.

Usage: python vkbottle_client.py URL TOKEN GROUP PEER → what vkbottle made of the answers, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys

from vkbottle import (
    API,
    Callback,
    DocMessagesUploader,
    Keyboard,
    KeyboardButtonColor,
    OpenLink,
    PhotoMessageUploader,
    Text,
    VKAPIError,
    VoiceMessageUploader,
)


async def run(url: str, token: str, group: int, peer: int) -> dict[str, object]:
    API.API_URL = f"{url}/method/"
    api = API(token)
    keyboard = Keyboard(inline=True).add(Callback("Да", {"a": 1}), color=KeyboardButtonColor.POSITIVE)
    keyboard = keyboard.add(Text("Нет", {"a": 2})).row().add(OpenLink("https://shop.example/", "Сайт"))
    try:
        groups = await api.groups.get_by_id(group_id=str(group))
        first = await api.messages.send(peer_ids=[peer], random_id=77, message="Привет", keyboard=keyboard.get_json())
        again = await api.messages.send(peer_ids=[peer], random_id=77, message="Привет")
        single = await api.messages.send(peer_id=peer, random_id=78, message="Один")
        names = [
            await PhotoMessageUploader(api).upload(b"\xff\xd8\xff", peer_id=peer),
            await DocMessagesUploader(api).upload(b"text", title="a.txt", peer_id=peer),
            await VoiceMessageUploader(api).upload(b"OggS", title="v.ogg", peer_id=peer),
        ]
        for number, name in enumerate(names):
            await api.messages.send(peer_ids=[peer], random_id=90 + number, attachment=name)
        history = await api.messages.get_by_id(message_ids=[first[0].message_id])
        poll = await api.groups.get_long_poll_server(group_id=group)
        errors = []
        for text in ("x" * 9001, "fault", "fault"):
            try:
                await api.messages.send(peer_id=peer, random_id=5, message=text)
            except VKAPIError as error:
                errors.append(error.code)
        return {
            "group": groups.groups[0].id,
            "first": first[0].message_id,
            "again": again[0].message_id,
            "single": single,
            "names": names,
            "text": history.items[0].text,
            "poll": bool(poll.key and poll.server and poll.ts),
            "errors": errors,
        }
    finally:
        await api.http_client.close()


def main() -> None:
    url, token, group, peer = sys.argv[1:]
    sys.stdout.write(json.dumps(asyncio.run(run(url, token, int(group), int(peer)))))


main()
