"""The Bot API methods that BattCRM uses, each a function of (emulator's world, bot, arguments)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from battcrm.devkit.emulators.base import Received, ReceivedLog
from battcrm.devkit.emulators.telegram import checks
from battcrm.devkit.emulators.telegram.checks import bad
from battcrm.devkit.emulators.telegram.state import DEFAULT_UPDATES, ApiError, Bot, Chat, Webhook
from battcrm.kit.clock import Clock


@dataclass(frozen=True, slots=True)
class World:
    """What methods share."""

    clock: Clock
    log: ReceivedLog
    insecure_webhooks: bool
    open_chats: bool


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a multipart request."""

    filename: str
    content: bytes
    mime: str


Arguments = Mapping[str, Any]
Method = Callable[[World, Bot, Arguments], Any]


def new_chat(bot: Bot, ident: int, name: str = "Клиент") -> Chat:
    """A chat that the person has opened."""
    kind = "private" if ident > 0 else "supergroup"
    user = {"id": abs(ident), "is_bot": False, "first_name": name, "language_code": "ru"}
    return bot.chats.setdefault(ident, Chat(ident, user, kind))


def _chat(world: World, bot: Bot, arguments: Arguments) -> Chat:
    if not arguments.get("chat_id"):
        raise bad("chat_id is empty")
    try:
        ident = int(arguments["chat_id"])
    except (TypeError, ValueError):
        raise bad("chat not found") from None
    chat = bot.chats.get(ident)
    if chat is None:
        if not world.open_chats:
            raise bad("chat not found")
        chat = new_chat(bot, ident)
    if chat.blocked:
        raise ApiError(403, "Forbidden: bot was blocked by the user")
    return chat


def _deliver(world: World, bot: Bot, chat: Chat, method: str, arguments: Arguments, content: dict[str, Any]) -> Any:
    buttons = checks.titles(arguments, private=chat.type == "private")
    reply = arguments.get("reply_parameters")
    message = {
        "message_id": chat.next_id(),
        "from": bot.describe(),
        "chat": chat.describe(),
        "date": int(world.clock.now().timestamp()),
        **content,
    }
    if isinstance(reply, dict):
        original = chat.messages.get(checks.integer(reply, "message_id"))
        if original is not None:
            message["reply_to_message"] = {k: v for k, v in original.items() if k != "reply_to_message"}
        elif reply.get("allow_sending_without_reply") is not True:
            raise bad("message to be replied not found")
    markup = arguments.get("reply_markup")
    if isinstance(markup, dict) and "inline_keyboard" in markup:
        message["reply_markup"] = markup
    chat.messages[message["message_id"]] = message
    kind = next((k for k in ("photo", "document", "voice") if k in content), None)
    world.log.add(
        Received(
            at=world.clock.monotonic(),
            account=str(bot.id),
            chat=str(chat.id),
            method=method,
            message_id=str(message["message_id"]),
            text=content.get("text") or content.get("caption") or "",
            buttons=buttons,
            attachment=kind,
            payload=dict(arguments),
        )
    )
    return message


def send_message(world: World, bot: Bot, arguments: Arguments) -> Any:
    chat = _chat(world, bot, arguments)
    text = checks.text_of(arguments, "text", 4096, required=True)
    return _deliver(world, bot, chat, "sendMessage", arguments, {"text": text})


def _send_file(kind: str, limit: int) -> Method:
    method = f"send{kind.capitalize()}"

    def send(world: World, bot: Bot, arguments: Arguments) -> Any:
        chat = _chat(world, bot, arguments)
        given = arguments.get(kind)
        content: dict[str, Any] = {kind: _file(bot, kind, given, limit)}
        caption = checks.text_of(arguments, "caption", 1024, required=False)
        if caption:
            content["caption"] = caption
        shown = {k: v for k, v in arguments.items() if k != kind}
        return _deliver(world, bot, chat, method, shown, content)

    return send


def _file(bot: Bot, kind: str, given: Any, limit: int) -> Any:
    if isinstance(given, Upload):
        if not given.content:
            raise bad("file must be non-empty")
        if len(given.content) > limit:
            raise ApiError(413, "Request Entity Too Large")
        ident = store_file(bot, f"{kind}s/{given.filename}", given.content)
        size = len(given.content)
    elif isinstance(given, str) and given.startswith(("http://", "https://")):
        ident, size = f"url-{len(bot.files)}", 0
    elif isinstance(given, str) and given in bot.files:
        ident, size = given, len(bot.files[given][1])
    else:
        raise bad(f"there is no {kind} in the request" if not given else "wrong file identifier/HTTP URL specified")
    item = {"file_id": ident, "file_unique_id": f"u{ident}", "file_size": size}
    if kind == "photo":
        return [{**item, "width": 90, "height": 90}]
    return {**item, "duration": 1} if kind == "voice" else {**item, "file_name": getattr(given, "filename", "file")}


def store_file(bot: Bot, path: str, content: bytes) -> str:
    """Keep a file; its file_id."""
    ident = f"BQACfile{bot.id}x{len(bot.files)}"
    bot.files[ident] = (path, content)
    return ident


def send_chat_action(world: World, bot: Bot, arguments: Arguments) -> Any:
    chat = _chat(world, bot, arguments)
    bot.actions.append((world.clock.monotonic(), str(chat.id), checks.action(arguments)))
    return True


def edit_message_text(world: World, bot: Bot, arguments: Arguments) -> Any:
    chat = _chat(world, bot, arguments)
    text = checks.text_of(arguments, "text", 4096, required=True)
    message = chat.messages.get(checks.integer(arguments, "message_id"))
    if message is None:
        raise bad("message to edit not found")
    if message["from"]["id"] != bot.id:
        raise bad("message can't be edited")
    buttons = checks.titles(arguments, private=True)
    markup = arguments.get("reply_markup")
    if message.get("text") == text and message.get("reply_markup") == markup:
        raise bad(
            "message is not modified: specified new message content and reply markup are exactly the same as a current "
            "content and reply markup of the message"
        )
    message.update(text=text, edit_date=int(world.clock.now().timestamp()))
    message.pop("reply_markup", None)
    if markup:
        message["reply_markup"] = markup
    moment, ident = world.clock.monotonic(), str(message["message_id"])
    world.log.add(
        Received(moment, str(bot.id), str(chat.id), "editMessageText", ident, text, buttons, None, dict(arguments))
    )
    return message


def answer_callback_query(_: World, bot: Bot, arguments: Arguments) -> Any:
    ident = str(arguments.get("callback_query_id", ""))
    if ident not in bot.queries:
        raise bad("query is too old and response timeout expired or query ID is invalid")
    bot.queries[ident] = True
    return True


def get_file(_: World, bot: Bot, arguments: Arguments) -> Any:
    ident = str(arguments.get("file_id", ""))
    if ident not in bot.files:
        raise bad("wrong file_id or the file is temporarily unavailable")
    path, content = bot.files[ident]
    if len(content) > 20 * 1024 * 1024:
        raise bad("file is too big")
    return {"file_id": ident, "file_unique_id": f"u{ident}", "file_size": len(content), "file_path": path}


def set_webhook(world: World, bot: Bot, arguments: Arguments) -> Any:
    url, secret, connections = checks.webhook_arguments(arguments, insecure=world.insecure_webhooks)
    if _true(arguments.get("drop_pending_updates")):
        _drop(bot)
    allowed = arguments.get("allowed_updates")
    kinds = tuple(str(k) for k in allowed) if isinstance(allowed, list) and allowed else DEFAULT_UPDATES
    bot.set_webhook(Webhook(url, secret, kinds, connections) if url else None)
    return True


def delete_webhook(_: World, bot: Bot, arguments: Arguments) -> Any:
    if _true(arguments.get("drop_pending_updates")):
        _drop(bot)
    bot.set_webhook(None)
    return True


def _drop(bot: Bot) -> None:
    bot.pending.clear()
    bot.queue.take_back()


def _true(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")


def get_webhook_info(_: World, bot: Bot, __: Arguments) -> Any:
    hook = bot.webhook
    info: dict[str, Any] = {
        "url": hook.url if hook else "",
        "has_custom_certificate": False,
        "pending_update_count": bot.waiting(),
    }
    if hook:
        info |= {"max_connections": hook.max_connections, "allowed_updates": list(hook.allowed)}
    if bot.last_error:
        info |= {"last_error_date": int(bot.last_error[0]), "last_error_message": bot.last_error[1]}
    return info


METHODS: Final[dict[str, Method]] = {
    "getme": lambda _, bot, __: bot.describe() | {"can_join_groups": True, "can_read_all_group_messages": False},
    "sendmessage": send_message,
    "sendphoto": _send_file("photo", 10 * 1024 * 1024),
    "senddocument": _send_file("document", 50 * 1024 * 1024),
    "sendvoice": _send_file("voice", 50 * 1024 * 1024),
    "sendchataction": send_chat_action,
    "editmessagetext": edit_message_text,
    "answercallbackquery": answer_callback_query,
    "getfile": get_file,
    "setwebhook": set_webhook,
    "deletewebhook": delete_webhook,
    "getwebhookinfo": get_webhook_info,
}
