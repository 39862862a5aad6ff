"""Words in a client's text that decide about an answer (not about facts: extraction owns those)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final


def _any(*stems: str) -> re.Pattern[str]:
    return re.compile(r"(?<!\w)(?:" + "|".join(stems) + ")", re.IGNORECASE)


LEGAL: Final = _any(
    r"в суд\b", r"суд(?:ом|у|иться|ебн)", r"роспотреб", r"прокурат", r"адвокат", r"юрист", r"претензи(?!й не)", r"заявление в",
    r"напишу заявление", r"экспертиз", r"lawyer", r"sue\b", r"court\b", r"legal action", r"consumer (?:rights|protection)",
)  # fmt: skip
PERSONAL_DATA: Final = _any(
    r"персональн\w* данн", r"(?:удалите|сотрите|уничтожьте) (?:\w+ )?(?:мои|мой|мою|наш\w*) (?:\w+ )?(?:данн|переписк|номер|контакт)", r"данные обо мне",
    r"отзыва\w+ согласи", r"какие (?:\w+ ){0,2}данные (?:обо мне|у вас)", r"gdpr\b", r"personal data",
    r"(?:delete|erase|remove) (?:all )?my (?:data|number|account)",
)  # fmt: skip
ANGRY: Final = _any(
    r"безобрази", r"отвратит", r"ужасн\w+ (?:сервис|обслуж|отношен)", r"обман(?:ыва|щик|ули|\b)", r"кидал", r"кинули",
    r"мошенн", r"верните (?:\w+ ){0,2}(?:деньг|телефон)", r"жалоб", r"жаловаться", r"хамств", r"хамят", r"надоел",
    r"сколько можно (?:\w+ )?(?:ждать|терпеть|тянуть)", r"издева", r"вы (?:меня|нас) (?:\w+ )?достали", r"игнорируете",
    r"(?:почему|день|сутки|недел[юи]|час) (?:\w+ )?(?:мне |вы )?не отвечаете", r"scam", r"refund", r"terrible service", r"complain", r"rip.?off", r"disgust",
)  # fmt: skip
AUTO_REPLY: Final = _any(
    r"автоответ", r"это автоматическ", r"мы получили ваше (?:сообщение|обращение)", r"ваше обращение принято",
    r"auto.?reply", r"automatic reply", r"out of office", r"we have received your message",
)  # fmt: skip
CALL: Final = _any(
    r"(?:по|пере)звони(?:те)?\b", r"набер(?:и|ите)\b", r"жду звонка", r"call (?:me|back)\b", r"phone me\b",
)  # fmt: skip

# A number of one kind of thing, not the number in a model's name: that has no plural after it.
_MANY: Final = (
    r"(?:[5-9]|[1-9]\d{1,2}|пят(?:ь|ьдесят)|шесть(?:десят)?|семь(?:десят)?|восемь(?:десят)?|девять|девяносто|десят(?:ь|ок)|"
    r"[а-я]+надцать|двадцать|тридцать|сорок|сто|five|six|seven|eight|nine|ten|eleven|twelve|[a-z]+teen|twenty|thirty)"
)
BULK: Final = _any(
    _MANY + r" (?:\w+[ыи]х )?(?:(?:айфон|телефон|смартфон|планшет|ноутбук|ноут|аппарат|компьютер|самокат|терминал)ов|устройств|шт(?:ук)?)\b",
    _MANY + r" (?:(?!minute|hour|day)\w+ )?(?:i?phones|ipads|smartphones|tablets|laptops|macbooks|devices|scooters)\b",
    r"закрывающ\w+ документ", r"мы (?:\w+ )?(?:школа|компания|фирма|организация|предприятие|таксопарк)\b",
    r"юр(?:\.|идическ\w+)? ?лиц", r"корпоративн", r"оптов", r"для (?:\w+ )?(?:организации|компании|фирмы)\b",
    r"от (?:нашей|моей) (?:организации|компании|фирмы)\b", r"corporate", r"wholesale", r"for (?:our|my) (?:company|business)",
)  # fmt: skip
NOT_OWN: Final = _any(
    r"наш[её]л\b", r"нашл[аи]\b", r"найденн", r"подобрал", r"чуж(?:ой|ого|им|ая)\b", r"не мой (?:телефон|айфон|аппарат)",
    r"found (?:a|an|this|it)\b", r"not my (?:phone|iphone)",
)  # fmt: skip

_ASKS: Final = _any(
    r"когда\b", r"сколько\b", r"скольк", r"где\b", r"куда\b", r"как (?:долго|быстро|скоро|добраться|проехать|до вас)",
    r"можно ли\b", r"есть ли\b", r"успеете\b", r"when\b", r"how (?:long|much|soon|do i)\b", r"where\b", r"can i\b",
)  # fmt: skip
_PRICE: Final = _any(
    r"(?<!во )(?<!за )(?<!на )сколько\b(?!(?: \w+){0,2} (?:гаранти|врем[ея]н|час|минут|дней|дня|недел|ждать)| работ| ид[её]т| дела)",
    r"цен[аеуы]\b", r"ценник", r"почем\b", r"поч[её]м\b", r"стоит\b", r"стоимост", r"стоить\b",
    r"прайс", r"how much\b", r"price", r"cost",
)  # fmt: skip
_SENTENCE: Final = re.compile(r"[^.!?…\n]+[.!?…]*")
_REQUEST: Final = _any(
    r"(?:под|рас)скажите", r"скиньте", r"пришлите", r"напишите", r"дайте", r"сообщите", r"интересует", r"хочу узнать",
    r"уточните", r"tell me", r"send me", r"let me know", r"do you\b", r"what(?:'s| is)\b",
)  # fmt: skip
_SHORT_WORDS: Final = 2
_WHEN: Final = re.compile(r"(?<!\w)(?:когда|when)\W*$", re.IGNORECASE)
_HESITATES: Final = _any(
    r"подума(?:ю|ем|ть)", r"посовету(?:юсь|емся)", r"посоветоваться", r"обсу(?:жу|дим|дить)", r"надо решить", r"не решил",
    r"(?:потом|позже|сам[аи]?) (?:\w+ )?(?:напишу|отпишусь|решу)", r"как решу", r"если что,? (?:\w+ )?(?:напишу|обращусь)",
    r"think (?:about|it over)", r"let you know",
)  # fmt: skip

# Ordered: what is found first is answered first.
TOPICS: Final = (
    ("warranty", _any(r"гаранти", r"warrant", r"guarantee")),
    ("delivery", _any(r"достав(?!а(?:ть|л|й))", r"курьер(?:ом|а|ы|ов|ск)", r"(?:есть|ваш|вызвать|прислать) (?:\w+ )?курьер\b", r"сдэк", r"почтой\b", r"по почте\b", r"deliver", r"courier", r"shipping")),
    ("payment", _any(r"оплат", r"оплач", r"картой", r"налич(?!и[еияюй])", r"рассрочк", r"безнал", r"payment", r"by card", r"(?:take|accept) (?:\w+ )?cards?\b", r"(?:can|could) i pay\b", r"cash")),
    ("hours", _any(
        r"во сколько", r"до сколь", r"со скольк", r"когда (?:мне )?(?:можно )?(?:подъехать|подъезжать|приехать|приезжать|прийти|приходить|подойти|подходить|привезти|привозить|принести|приносить|зайти|заходить)", r"режим", r"график\b", r"часы работ", r"когда (?:вы )?(?:работа|откр|закр)",
        r"работаете (?:ли|в|сегодня|завтра|по|до)", r"(?:сегодня|завтра|сейчас|ещ[её]|выходные|воскресенье|субботу) работаете", r"открыты", r"откро(?:ете|етесь)", r"закр(?:ыты|оетесь|ываетесь)", r"выходн", r"(?:working|opening|business|your) hours\b",
        r"(?:you|shop) (?:\w+ )?(?:open|close)\b", r"(?:open|close) (?:on|at|today|tomorrow|now|until|till)\b", r"closing time", r"still open\b",
    )),
    ("address", _any(
        r"адрес", r"вы где\b", r"где (?:вы|вас|наход|распол|это)", r"как (?:до вас|добраться|проехать|пройти|найти)", r"куда (?:под|при|нести|ехать|везти)",
        r"находитесь", r"гео(?:локаци|позици|метк)", r"координаты", r"(?:your|the|shop'?s) (?:address|location)\b", r"address\W*$", r"where are you", r"located", r"how to (?:get|find)",
    )),
    ("phone", _any(r"ваш (?:номер|телефон)", r"номер телефон", r"(?:адрес и|скиньте|дайте|подскажите) (?:номер )?телефон\b", r"телефон (?:мастерской|сервиса)", r"your (?:phone|number)")),
)  # fmt: skip


_SERVICE: Final = _any(
    r"ремонтиру",
    r"чин(?:ите|ит|им)\b",
    r"дела(?:ете|ют)\b",
    r"бер[её]тесь",
    r"занимаетесь",
    r"меняете",
    r"do you (?:repair|fix|do)",
)


_TOTAL: Final = _any(
    r"(?:сколько|цена|стоит|выйдет|будет) (?:\w+ ){0,2}(?:всего|вс[её]\b|вместе|итого|за вс[её]\b)", r"итого\b", r"в сумме\b", r"всего (?:выйдет|будет)",
    r"in total\b", r"altogether\b", r"for both\b",
)  # fmt: skip
_REPAIRS: Final = _any(r"ремонтируете\b", r"чините\b", r"do you (?:repair|fix)\b")


def asks_service(text: str) -> bool:
    """Whether the shop is asked if it does such repairs."""
    return _SERVICE.search(text) is not None


def asks_total(text: str) -> bool:
    """Whether the sum of several repairs is asked."""
    return _TOTAL.search(text) is not None


def asks_repairs(text: str) -> bool:
    """Whether it is asked what the shop repairs at all."""
    return _REPAIRS.search(text) is not None


def asks(text: str) -> bool:
    """Whether the words ask something; people leave the question mark out as often as not."""
    return "?" in text or _ASKS.search(text) is not None


def asks_price(text: str) -> bool:
    """Whether a price is asked."""
    return _PRICE.search(text) is not None


def sentences(text: str) -> Iterator[re.Match[str]]:
    """The sentences of a text, with their places in it."""
    return _SENTENCE.finditer(text)


def asks_when(text: str) -> bool:
    """A "when?" that says no more."""
    return _WHEN.search(text.strip()) is not None


def hesitates(text: str) -> bool:
    """Whether the client wants time to decide."""
    return _HESITATES.search(text) is not None


def topics_asked(text: str) -> tuple[str, ...]:
    """Which shop facts are asked for, in the order of `topics_of`; a mere mention in a longer sentence is no question."""
    asking = [
        s.group() for s in sentences(text) if asks(s.group()) or _REQUEST.search(s.group()) or _is_short(s.group())
    ]
    return topics_of("\n".join(asking))


def _is_short(sentence: str) -> bool:
    return len(sentence.split()) <= _SHORT_WORDS


def topics_of(text: str) -> tuple[str, ...]:
    """Which shop facts a question is about."""
    return tuple(name for name, pattern in TOPICS if pattern.search(text))
