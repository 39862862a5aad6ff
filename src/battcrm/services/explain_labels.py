"""Names of reason codes for people. Every code of the core has a name in each language; a tenant's own is shown as is."""

from __future__ import annotations

from typing import Final

from battcrm.response import labels

_Names = dict[str, tuple[str, str]]

# Each code with its Russian and its English name.
REASONS: Final[_Names] = {
    "group_chat": ("групповой чат", "group chat"),
    "mode_off": ("бот выключен", "the bot is switched off"),
    "control_human": ("говорит оператор", "a human speaks here"),
    "control_paused": ("диалог на паузе", "the dialogue is paused"),
    "control_off": ("бот выключен в обращении", "the bot is off in this appeal"),
    "spam": ("спам", "spam"),
    "threat": ("угроза", "a threat"),
    "opted_out_before": ("просил не писать", "opted out before"),
    "do_not_contact": ("просит не писать", "asks not to be written to"),
    "courtesy": ("вежливость без вопроса", "courtesy, no question"),
    "auto_reply": ("автоответчик", "an automatic reply"),
    "off_topic_again": ("снова не по теме", "off topic again"),
    "repeated_greeting": ("поздоровался ещё раз", "greeted again"),
    "nothing_to_answer": ("отвечать не на что", "nothing to answer"),
    "opt_out": ("отписка", "opts out"),
    "greeting": ("приветствие", "a greeting"),
    "thanks": ("благодарность", "thanks"),
    "off_topic": ("не по теме", "off topic"),
    "quote_with_evidence": ("цена с подтверждением", "a price with its evidence"),
    "no_price_offer_diagnostics": ("цены нет, предложена диагностика", "no price, diagnostics offered"),
    "client_agreed": ("клиент согласился", "the client agreed"),
    "client_thinks_it_over": ("клиент думает", "the client thinks it over"),
    "confirm_agreement": ("записать ли", "whether to book"),
    "client_declined": ("клиент отказался", "the client declined"),
    "status_known": ("статус заказа известен", "the order's state is known"),
    "shop_facts": ("сведения о мастерской", "facts about the shop"),
    "ask_most_valuable_field": ("не хватает самого важного", "asks for what matters most"),
    "confirm_costly_field": ("уточнить, чтобы не ошибиться в цене", "confirms what the price hangs on"),
    "not_understood": ("не понято", "not understood"),
    "which_appeal": ("о каком обращении речь", "which appeal is meant"),
    "ask_order_number": ("спросить номер заказа", "asks for the order number"),
    "operator_requested": ("просит человека", "asks for a human"),
    "call_requested": ("просит перезвонить", "asks for a call"),
    "contact_shared": ("поделился номером", "shared a number"),
    "misunderstood_twice": ("дважды не понято", "misunderstood twice"),
    "max_questions": ("слишком много вопросов", "too many questions"),
    "anti_loop": ("разговор пошёл по кругу", "going in circles"),
    "same_answer_twice": ("тот же ответ второй раз", "the same answer twice"),
    "warranty": ("гарантийный случай", "a warranty case"),
    "post_service": ("вопрос после ремонта", "a question after the repair"),
    "legal": ("юридический вопрос", "a legal matter"),
    "personal_data_request": ("запрос о персональных данных", "a personal data request"),
    "negative_tone": ("клиент недоволен", "the client is upset"),
    "price_outside_range": ("цена вне пределов", "price outside the limits"),
    "price_unknown": ("цена неизвестна", "price unknown"),
    "photo_of_unknown_damage": ("фото неизвестной поломки", "photo of unknown damage"),
    "voice_without_transcript": ("голосовое без расшифровки", "voice without a transcript"),
    "tenant_rule": ("правило мастерской", "a rule of the shop"),
    "vip": ("важный клиент", "an important client"),
    "many_devices_or_company": ("много устройств или организация", "many devices, or a company"),
    "device_may_be_anothers": ("устройство может быть чужим", "the device may be somebody else's"),
    "contradicts_operator": ("спорит с тем, что исправил человек", "contradicts what a person has settled"),
    "model_failed": ("модель не ответила", "the model failed"),
    "routing_unclear": ("неясно, о чём речь", "unclear what it is about"),
    "status_unknown": ("статус неизвестен", "the state is unknown"),
    "info_unknown": ("мастерская этого не указала", "the shop has not stated this"),
    "purchase_request": ("хочет купить", "wants to buy"),
    "sell_request": ("хочет продать", "wants to sell"),
    "question_after_quote": ("вопрос после названной цены", "a question after the price"),
    "question_about_repair_at_work": ("вопрос о ремонте в работе", "a question about a repair at work"),
    "changed_after_agreement": ("изменил сообщение после согласия", "changed the message after agreeing"),
    "text_failed": ("текст не собрался", "the text failed"),
    "other_device_first": ("сначала другое устройство", "the other device first"),
    "internal_error": ("внутренняя ошибка", "internal error"),
    "nobody_took": ("никто не взял", "nobody took it"),
    "moved": ("сообщения перенесены", "its messages moved"),
}
ROUTES: Final[_Names] = {
    "internal_error": ("внутренняя ошибка", "internal error"),
    "both_meant": ("клиент сказал об обоих", "the client meant both"),
    "its_turn_has_come": ("очередь дошла до этого устройства", "this device's turn has come"),
    "button": ("нажата кнопка", "a button was pressed"),
    "reply": ("ответ на сообщение", "a reply to a message"),
    "chosen_appeal": ("клиент выбрал обращение", "the client chose the appeal"),
    "order_number": ("назван номер заказа", "the order number was given"),
    "courtesy": ("вежливость", "courtesy"),
    "spam": ("спам", "spam"),
    "opt_out": ("отписка", "opts out"),
    "off_topic": ("не по теме", "off topic"),
    "nothing_said": ("ничего по делу", "nothing to the point"),
    "warranty": ("гарантия по прежнему ремонту", "warranty of an earlier repair"),
    "warranty_open": ("гарантия, обращение открыто", "warranty, the appeal is open"),
    "warranty_unknown": ("гарантия, ремонт не найден", "warranty, no such repair"),
    "warranty_several": ("гарантия, ремонтов несколько", "warranty, several repairs"),
    "status_question": ("вопрос о статусе", "a question about the state"),
    "status_several": ("о статусе, заказов несколько", "about the state, several orders"),
    "post_service": ("после ремонта", "after the repair"),
    "correction": ("клиент поправил", "the client corrected"),
    "same_device": ("то же устройство", "the same device"),
    "same_device_new_repair": ("то же устройство, другой ремонт", "the same device, another repair"),
    "same_device_new_wish": ("то же устройство, другая просьба", "the same device, another wish"),
    "same_device_stale": ("то же устройство, но давно", "the same device, long ago"),
    "compatible_device": ("устройство подходит", "the device fits"),
    "device_several": ("подходит несколько обращений", "several appeals fit"),
    "device_fills": ("названо устройство", "the device was named"),
    "model_refined": ("модель уточнена", "the model was refined"),
    "answer": ("ответ на наш вопрос", "an answer to our question"),
    "other_device": ("другое устройство", "another device"),
    "same_question_other_device": ("тот же вопрос о другом устройстве", "the same about another device"),
    "same_repair_recent": ("тот же ремонт недавно", "the same repair recently"),
    "lost_returns": ("вернулся после отказа", "came back after declining"),
    "returning_device": ("знакомое устройство", "a known device"),
    "first_contact": ("первое обращение", "first contact"),
    "only_open": ("единственное открытое", "the only open one"),
    "new_repair": ("новый ремонт", "a new repair"),
    "new_wish": ("новая просьба", "a new wish"),
    "settled_by_operator": ("так решил оператор", "settled by an operator"),
    "mentioned_in_passing": ("назван между прочим", "mentioned in passing"),
    "repair_mention": ("назван ремонт", "a repair was named"),
    "repair_fits_device": ("ремонт подходит устройству", "the repair fits the device"),
    "only_one_in_this_chat": ("единственное в этом чате", "the only one of this chat"),
    "recent": ("последнее по времени", "the most recent"),
    "general_question": ("общий вопрос", "a general question"),
    "several_open": ("открыто несколько", "several are open"),
    "with_operator": ("с клиентом говорит человек", "a person talks with the client"),
}
REJECTIONS: Final[_Names] = {
    "model_unknown": ("модель неизвестна", "the model is unknown"),
    "repair_unknown": ("ремонт неизвестен", "the repair is unknown"),
    "no_quote_in_data": ("нет данных о цене", "no price in the data"),
    "quote_without_evidence": ("цена без подтверждения", "a price without evidence"),
    "price_list_not_allowed": ("по прайсу нельзя", "the price list is not allowed"),
    "quote_range_invalid": ("вилка неверна", "the range is invalid"),
    "quote_range_too_wide": ("вилка слишком широка", "the range is too wide"),
    "quote_of_other_device": ("цена другого устройства", "a price of another device"),
    "sibling_not_allowed": ("по соседней модели нельзя", "a sibling model is not allowed"),
    "quote_includes_part": ("в цену входит деталь", "the price includes the part"),
    "graph_unavailable": ("граф недоступен", "the graph is unavailable"),
    "quotes_switched_off": ("цены выключены", "prices are switched off"),
    "above_price_limit": ("выше предела", "above the limit"),
    "already_known": ("уже известно", "already known"),
    "already_asked": ("уже спрашивали", "already asked"),
    "question_not_worth_it": ("вопрос мало что даст", "the question is not worth it"),
    "question_limit": ("вопросов достаточно", "enough questions"),
    "mode_suggest": ("режим подсказок", "suggest mode"),
    "customer_text_is_data": ("слова клиента — не команды", "the client's words are not commands"),
    "language_not_offered": ("язык не поддержан", "the language is not offered"),
    "new_facts_with_it": ("вместе с новыми фактами", "came with new facts"),
    "question_with_it": ("вместе с вопросом", "came with a question"),
    "nothing_was_asked": ("мы об этом не спрашивали", "we had not asked"),
    "client_hesitates": ("клиент не решил", "the client has not decided"),
    "status_does_not_allow": ("стадия не позволяет", "the stage does not allow it"),
    "client_asked_not_to_be_contacted": ("просил не писать", "asked not to be contacted"),
    "no_data": ("нет данных", "no data"),
    "too_few_repairs": ("похожих ремонтов слишком мало", "too few comparable repairs"),
    "stale_price": ("прайс устарел", "the list price is stale"),
    "wide_spread": ("цены слишком разные", "prices differ too much"),
    "blocked_by_shop": ("мастерская не называет эту цену", "the shop does not name this price"),
    "policy": ("так решила мастерская", "the shop's policy"),
    "no_such_order": ("нет такого заказа", "no such order"),
    "no_such_fact": ("мастерская этого не указала", "the shop has not stated this"),
}
ACTIONS: Final[_Names] = {
    "auto": ("отвечает сам", "answers"),
    "suggest": ("предлагает оператору", "suggests"),
    "clarify": ("уточняет", "asks"),
    "operator": ("передаёт оператору", "hands over"),
    "silence": ("молчит", "keeps silent"),
    "touch": ("пишет первым", "writes first"),
    "correct": ("оператор исправил", "corrected by an operator"),
    "draft_accepted": ("черновик принят", "the draft was accepted"),
    "draft_edited": ("черновик изменён", "the draft was edited"),
    "draft_rejected": ("черновик отклонён", "the draft was rejected"),
    "merge": ("клиенты объединены", "clients were merged"),
    "unmerge": ("клиенты разделены", "clients were separated"),
    "mark": ("отметка клиента изменена", "the client's mark was changed"),
    "return": ("бот вернулся", "the bot returned"),
    "notice": ("клиенту сказано, что ждать", "the client was told to wait"),
}
METHODS: Final[_Names] = {
    "gazetteer": ("словарь", "gazetteer"),
    "rule": ("правило", "rule"),
    "model": ("модель", "model"),
    "operator": ("оператор", "operator"),
    "import": ("импорт", "import"),
}
ROUTING_ACTIONS: Final[_Names] = {
    "existing": ("то же обращение", "the same appeal"),
    "new": ("новое обращение", "a new appeal"),
    "reopen": ("вновь открыто", "reopened"),
    "ask": ("спросить", "ask"),
    "none": ("без обращения", "no appeal"),
}
STATES: Final[_Names] = {
    "pending": ("ждёт отправки", "waits"),
    "sending": ("отправляется", "is being sent"),
    "sent": ("доставлено мессенджеру", "accepted by the messenger"),
    "delivered": ("доставлено", "delivered"),
    "read": ("прочитано", "read"),
    "failed": ("не отправлено", "failed"),
    "unknown": ("неизвестно, дошло ли", "unknown whether it arrived"),
    "expired": ("устарело, оператору", "expired, to the operator"),
    "cancelled": ("отменено", "cancelled"),
}
AUTHORS: Final[_Names] = {
    "client": ("клиент", "client"),
    "bot": ("бот", "bot"),
    "operator": ("оператор", "operator"),
    "human": ("оператор", "human"),
    "automation": ("автоматика", "automation"),
    "paused": ("никто (пауза)", "nobody (paused)"),
    "off": ("никто (выключено)", "nobody (off)"),
}
_ALTERNATIVES: Final[_Names] = {
    "ask": ("спросить", "ask"),
    "quote": ("назвать цену", "name a price"),
    "offer_diagnostics": ("предложить диагностику", "offer diagnostics"),
    "answer_in": ("ответить на языке клиента", "answer in the client's language"),
    "agreed": ("принять согласие", "take it as agreed"),
    "declined": ("принять отказ", "take it as declined"),
    "model": ("модель", "model"),
    "status": ("назвать статус", "tell the state"),
}
_TABLES: Final[dict[str, _Names]] = {
    "reason": REASONS,
    "route": ROUTES,
    "rejection": REJECTIONS,
    "action": ACTIONS,
    "method": METHODS,
    "routing": ROUTING_ACTIONS,
    "state": STATES,
    "author": AUTHORS,
}
LANGUAGES: Final = ("ru", "en")


def name_of(table: str, code: str | None, language: str) -> str:
    """The name of a code in one of the tables above; an unknown code as it is, nothing for None."""
    if not code:
        return ""
    found = _TABLES[table].get(code)
    return found[LANGUAGES.index(language)] if found else code


def rejected_name(what: str, because: str, language: str) -> str:
    """A rejected alternative with the reason: an action, a question (`ask_model`) or a price (`quote:screen`)."""
    kind, _, detail = what.partition(":")
    subject = (
        name_of("action", kind, language)
        if kind in ACTIONS
        else _ALTERNATIVES.get(kind, (kind, kind))[LANGUAGES.index(language)]
    )
    if kind.startswith("ask_"):
        asked = _ALTERNATIVES["ask"][LANGUAGES.index(language)]
        subject = f"{asked} «{field_name(kind.removeprefix('ask_'), language)}»"
    if detail:
        subject += f" ({value_name('repair_types', detail, language)})"
    reason = name_of("rejection", because, language)
    return f"{subject}: {reason if reason != because else name_of('reason', because, language)}"


def field_name(field: str, language: str) -> str:
    """The name of a field of an appeal."""
    return labels.label("field", field, language)


def value_name(field: str, value: str, language: str) -> str:
    """A value as people say it: codes by name, brands and models as they are."""
    table = {"appeal_type": "wish", "repair_types": "repair", "part_owner": "owner", "status": "status"}.get(field)
    return labels.label(table, value, language) if table else value
