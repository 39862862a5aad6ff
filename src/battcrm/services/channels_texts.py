"""What owners read about their channels, in Russian and English."""

from __future__ import annotations

from typing import Final

Pair = tuple[str, str]

STATES: Final[dict[str, Pair]] = {
    "ok": ("работает", "ok"),
    "degraded": ("работает с ошибками", "degraded"),
    "unreachable": ("платформа не отвечает", "unreachable"),
    "token_revoked": ("ключ отозван", "token revoked"),
    "unknown": ("ещё не проверен", "not checked yet"),
    "active": ("включён", "active"),
    "disabled": ("выключен", "disabled"),
    "auth_expired": ("ждёт нового ключа", "waits for new credentials"),
}
_MEND: Final[dict[str, Pair]] = {
    "token_revoked": (
        "Платформа не принимает ключ. Получите новый и выполните: battcrm channel enable {channel} --secret token=…; "
        "неотправленное уйдёт само",
        "The platform refuses the credentials. Get new ones and run: battcrm channel enable {channel} --secret token=…; "
        "what waits will be sent",
    ),
    "unreachable": (
        "Платформа не отвечает: проверьте сеть сервера, настройки proxy и base_url; проверка повторяется каждую минуту",
        "The platform does not answer: check this server's network, the settings proxy and base_url; tried every minute",
    ),
    "webhook_off": (
        "Платформа не доставляет сообщения: задайте BATTCRM_PUBLIC_URL и выполните: battcrm channel enable {channel}",
        "The platform does not deliver: set BATTCRM_PUBLIC_URL and run: battcrm channel enable {channel}",
    ),
    "deliveries_fail": (
        "Платформа не может доставить сообщения: откройте {url}/readyz снаружи и проверьте сертификат и прокси",
        "The platform cannot deliver: open {url}/readyz from outside, check the certificate and the proxy in front",
    ),
    "backlog": (
        "У платформы накопилась очередь: если она не убывает, добавьте процессы gateway",
        "The platform has a backlog: if it does not shrink, run more gateway processes",
    ),
    "no_permission": (
        "У ключа не хватает прав: создайте ключ с правами из руководства и выполните channel enable",
        "The credentials lack a right: make them anew with the rights the guide lists, then run channel enable",
    ),
    "rate_limited": (
        "Платформа просит не спешить: пройдёт само",
        "The platform asks to slow down: this passes by itself",
    ),
    "": ("Подробности — в тексте ошибки платформы", "See the platform's own words"),
}
NOT_DELIVERING: Final[Pair] = (
    "канал сохранён, но платформа его пока не приняла; попытка повторяется каждую минуту",
    "the channel is stored, but the platform has not accepted it yet; tried again every minute",
)
NEXT: Final[dict[str, Pair]] = {
    "webhook": (
        "Адрес вебхука зарегистрирован. Запустите роли (battcrm run all) и напишите боту",
        "The webhook is registered. Start the roles (battcrm run all) and write to the bot",
    ),
    "poll": (
        "Канал читается опросом. Запустите роли (battcrm run all) и напишите боту",
        "The channel is polled. Start the roles (battcrm run all) and write to the bot",
    ),
    "page": (
        "Страница чата: {page}",
        "The chat page: {page}",
    ),
}
NOTES: Final[dict[str, Pair]] = {
    "withheld_by_avito": (
        "содержимое видно только в Avito: откройте чат там",
        "only Avito shows this content: open the chat there",
    ),
    "withheld_by_vk": ("сообщение ВКонтакте показано не целиком", "VK has not given the whole message"),
}


def say(pair: Pair, locale: str, **values: str) -> str:
    """The text in the tenant's language."""
    return pair[0 if locale == "ru" else 1].format(**values)


def state_name(state: str, locale: str) -> str:
    """The name of a state; one that is not known is shown as it is."""
    return say(STATES[state], locale) if state in STATES else state


def mending(state: str, code: str, locale: str, *, channel: str, url: str) -> str | None:
    """What the owner can do; None when all is well."""
    if state in ("ok", "unknown", ""):
        return None
    known = _MEND.get(code) or _MEND.get(state) or _MEND[""]
    return say(known, locale, channel=channel, url=url or "https://…")
