"""pywa speaking to a WhatsApp server at an address; runs in the oracles' own environment, not in ours.

Usage: python pywa_client.py URL NUMBER TOKEN PERSON MESSAGE_ID → what pywa made of the answers, as JSON.
"""

from __future__ import annotations

import json
import sys

import httpx
from pywa import WhatsApp
from pywa.errors import WhatsAppError
from pywa.types import Button, Section, SectionList, SectionRow, URLButton

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452")


def main() -> None:
    url, number, token, person, message_id = sys.argv[1:]
    session = httpx.Client(trust_env=False)
    client = WhatsApp(phone_id=number, token=token, session=session)
    session.base_url = f"{url}/v26.0"
    choices = [Button(title="Да", callback_data="y"), Button(title="Нет", callback_data="n")]
    rows = [SectionRow(title=f"Вариант {n}", callback_data=f"v:{n}") for n in range(5)]
    picked = SectionList(button_title="Выбрать", sections=[Section(title="Варианты", rows=rows)])
    sent = [
        client.send_message(person, "Привет", tracker="row-1"),
        client.send_message(person, "Ставим?", buttons=choices, reply_to_message_id=message_id),
        client.send_message(person, "Выберите", buttons=picked),
        client.send_message(person, "Сайт", buttons=URLButton(title="Открыть", url="https://shop.example/")),
        client.send_image(person, PNG, caption="Вот", mime_type="image/png"),
    ]
    media = client.upload_media(PNG, mime_type="image/png", filename="x.png")
    described = client.get_media_url(media.id)
    marks = [bool(client.mark_message_as_read(message_id)), bool(client.indicate_typing(message_id))]
    errors = []
    for text in ("x" * 5000, "fault", "fault", "fault"):
        try:
            client.send_message(person, text)
        except WhatsAppError as error:
            errors.append([type(error).__name__, error.code])
    result = {
        "ids": [message.id for message in sent],
        "media": [described.mime_type, described.file_size],
        "marks": marks,
        "errors": errors,
    }
    sys.stdout.write(json.dumps(result))


main()
