"""The extractor: reads a turn by rules, merges facts, and asks the model only for what stays open."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Protocol
from uuid import UUID

from battcrm.extraction import answers, state
from battcrm.extraction.gazetteer.catalogue import Catalogue
from battcrm.extraction.hypotheses import Device, asked_in, devices_of
from battcrm.extraction.llm_call import Asking, ModelReader
from battcrm.extraction.normalise import Normalised, normalise
from battcrm.extraction.openness import open_fields
from battcrm.extraction.opinion import judge
from battcrm.extraction.opinion.opinion import Opinion, read_opinion
from battcrm.extraction.rules.line import Line, build
from battcrm.extraction.rules.match import Hit, class_of, scan
from battcrm.extraction.signals import read_signals
from battcrm.extraction.tools.bystanders import told_of_the_past
from battcrm.extraction.tools.model import DeviceMention, find_devices
from battcrm.extraction.tools.parts import part_fact
from battcrm.extraction.tools.repair import Repairs, find_repairs, repair_facts, standing
from battcrm.extraction.tools.type import type_fact
from battcrm.models.calls import CallScope
from battcrm.models.facts import AppealType, Completion, Fact, Hypothesis, Method, PartOwner, Reading, Signals

VERSION: Final = "rules-2"
_SHORT: Final = 2
_REMARK: Final = 5
_OWNERLESS: Final = frozenset(
    {AppealType.PURCHASE, AppealType.SELL, AppealType.STATUS, AppealType.WARRANTY, AppealType.OTHER}
)
_NO_DIAGNOSTICS: Final = frozenset({AppealType.STATUS, AppealType.WARRANTY, AppealType.PURCHASE})
"""Wishes that name a part or a fault; a check-up is neither."""
_NO_REPAIR: Final = frozenset({AppealType.INFO, AppealType.OTHER, AppealType.SELL})


class Context(Protocol):
    """What the shop last asked and what is known (a ReadingContext of the pipeline)."""

    @property
    def known(self) -> Hypothesis | None: ...
    @property
    def expecting(self) -> str | None: ...
    @property
    def options(self) -> tuple[str, ...]: ...


class TurnContext(Context, Protocol):
    """The same, and on whose behalf a model is called."""

    @property
    def tenant_id(self) -> UUID: ...
    @property
    def turn_id(self) -> UUID | None: ...
    @property
    def client_id(self) -> UUID | None: ...


class RuleReader:
    """Reads texts by catalogue and rules alone. Stateless but for caches; safe to share."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def read(self, texts: Sequence[str], context: Context | None = None) -> Reading:
        """What the texts of one turn say. Never raises on any text; an empty turn reads as an empty hypothesis."""
        known = context.known if context is not None else None
        line, translit = self.line_of(texts, self._offered(context) or known)
        repairs = find_repairs(line)
        marked = line.with_marks(repairs.hits)
        books = _books(scan(marked.words, marked.tags, late=True))
        signals = read_signals(texts, marked, books["signal"], translit=translit)
        opinion = _opinion(line, signals, known)
        repairs, books = _of_today(marked, repairs, books)
        found = _hypotheses(marked, repairs, books, signals, known, opinion)
        meant = [device for device, _ in found if not device.passed]
        hypotheses = tuple(hypothesis for device, hypothesis in found if not device.passed)
        passed = tuple(hypothesis for device, hypothesis in found if device.passed)
        still_open = open_fields(marked, meant, hypotheses, books["type"], signals, known)
        reading = Reading(hypotheses, signals, still_open, VERSION, passed)
        question = answers.asked(context.expecting, context.options) if context is not None else None
        if question is None or not texts:
            return reading
        return answers.fill(reading, marked, question, texts[-1], lambda option: self._option(option, known), known)

    def line_of(self, texts: Sequence[str], known: Hypothesis | None = None) -> tuple[Line, bool]:
        """The words and devices of one turn, and whether any of it was transliterated."""
        forms = [normalise(text) for text in texts]
        return build(forms, self._mentions(forms, known)), any(form.translit for form in forms)

    def _offered(self, context: Context | None) -> Hypothesis | None:
        """The device a question names alone ("У вас iPhone?"): what a short answer goes on from."""
        if context is None or len(context.options) != 1 or context.expecting not in {"brand", "model", "device"}:
            return None
        known = context.known or Hypothesis()
        offered = self._option(context.options[0], None)
        if known.brand is not None or offered.brand is None:
            return None
        return replace(known, brand=offered.brand, model=offered.model)

    def _option(self, option: str, known: Hypothesis | None) -> Hypothesis:
        line, _ = self.line_of([option], known)
        repairs = find_repairs(line).hits
        device = devices_of(line, repairs, ())[-1]
        return Hypothesis(brand=device.brand, model=device.model, repair_types=repair_facts(repairs, line))

    def _mentions(self, forms: Sequence[Normalised], known: Hypothesis | None) -> list[tuple[DeviceMention, ...]]:
        """Mentions of each message; what one message names is known to the next."""
        found: list[tuple[DeviceMention, ...]] = []
        for index, form in enumerate(forms):
            mentions = find_devices(form, index, self._catalogue, known)
            found.append(mentions)
            named = next((m for m in reversed(mentions) if m.brand is not None and not m.negated), None)
            if named is not None:
                known = replace(
                    known or Hypothesis(), brand=named.brand, model=named.model, device_class=named.device_class
                )
        return found


def _books(hits: Sequence[Hit]) -> defaultdict[str, list[Hit]]:
    raw: defaultdict[str, list[Hit]] = defaultdict(list)
    for hit in hits:
        raw[hit.rule.book].append(hit)
    return defaultdict(list, {book: standing(found, loose_cover=book != "type") for book, found in raw.items()})


def _of_today(
    line: Line, repairs: Repairs, books: defaultdict[str, list[Hit]]
) -> tuple[Repairs, defaultdict[str, list[Hit]]]:
    """The hits without those of sentences about a device had before, where something else is said beside them."""
    past = told_of_the_past(line)
    present = [hit for hit in repairs.hits if hit.first not in past]
    if not past or not present:
        return repairs, books
    kept = {book: [hit for hit in hits if hit.first not in past] for book, hits in books.items()}
    return repairs._replace(hits=present), defaultdict(list, kept)


def _opinion(line: Line, signals: Signals, known: Hypothesis | None) -> Opinion | None:
    """The second opinion, where one counts. Hardly any of the dialogues it has learnt from are English."""
    if signals.language == "en":
        return None
    if signals.greeting_only or signals.thanks_only or signals.choice is not None or _foreign(signals):
        return None
    return read_opinion(line) if judge.applies(line, known) else None


def _foreign(signals: Signals) -> bool:
    """Whether the text is not a client's wish at all."""
    return signals.spam or signals.injection or signals.off_topic or signals.opt_out


def _hypotheses(
    line: Line,
    repairs: Repairs,
    books: defaultdict[str, list[Hit]],
    signals: Signals,
    known: Hypothesis | None,
    opinion: Opinion | None,
) -> list[tuple[Device, Hypothesis]]:
    devices = devices_of(line, repairs.hits, [hit for hit in books["type"] if hit.rule.value != "none"])
    whole = type_fact(books["type"], repairs.hits, books["part"], line) or _idle(line, signals, known)
    owner = part_fact(books["part"], line)
    if opinion is not None:
        whole = judge.judged_type(whole, opinion, brought=owner is not None and owner.value == PartOwner.CLIENT)
    whole = _overridden(whole, signals)
    found = []
    several = sum(not device.passed for device in devices) > 1
    for device in devices:
        wish, listed = whole, several or device.passed
        if listed:
            own = asked_in(line, device, books["type"])
            explicit = any(hit.rule.kind == "ask" for hit in own)
            wish = (
                type_fact(own, device.repairs, asked_in(line, device, books["part"]), line) if explicit else None
            ) or whole
        heard = None if listed else opinion
        found.append((device, _hypothesis(device, wish, owner, line, heard, repairs.denied)))
    return found


def _hypothesis(
    device: Device,
    wish: Fact | None,
    owner: Fact | None,
    line: Line,
    opinion: Opinion | None,
    denied: frozenset[str],
) -> Hypothesis:
    repairs = () if wish is not None and wish.value in _NO_REPAIR else repair_facts(device.repairs, line)
    if wish is not None and wish.value in _NO_DIAGNOSTICS:
        repairs = tuple(fact for fact in repairs if fact.value != "diagnostics")
    if opinion is not None:
        if wish is None or wish.value not in _NO_REPAIR:
            repairs = judge.judged_repairs(repairs, opinion, wish, denied, owned=owner is not None)
        owner = judge.judged_owner(owner, opinion, wish, named=_names_part(line))
    return Hypothesis(
        appeal_type=wish,
        brand=device.brand,
        model=device.model,
        repair_types=repairs,
        part_owner=owner if wish is None or wish.value not in _OWNERLESS else None,
        device_class=device.device_class or _class_of(line),
        candidates=device.candidates,
    )


def _names_part(line: Line) -> bool:
    return any(class_of("@own_part|@any_part") in word.classes for word in line.words)


def _class_of(line: Line) -> str | None:
    return next(iter(sorted(line.tags)), None) if len(line.tags) == 1 else None


def _idle(line: Line, signals: Signals, known: Hypothesis | None) -> Fact | None:
    """A text that wishes nothing: greeting, thanks, noise. None when it may be an answer or a device's name."""
    if signals.greeting_only or signals.thanks_only:
        return Fact(AppealType.OTHER, 0.97, Method.RULE, "type.other: small talk")
    if line.devices or signals.choice is not None:
        return None
    if signals.phones or signals.wants_operator or signals.opt_out:
        return Fact(AppealType.OTHER, 0.9, Method.RULE, "type.other: contact")
    words = line.words
    if len(words) <= _SHORT:
        return Fact(AppealType.OTHER, 0.85, Method.RULE, "type.other: nothing recognised")
    if any(class_of("@device") in word.classes for word in words):
        return Fact(AppealType.OTHER, 0.6, Method.RULE, "type.other: only a kind of device")
    if any(word.question or class_of("@ask") in word.classes for word in words):
        midway = known is not None and known.appeal_type is not None
        return Fact(
            AppealType.INFO, 0.6 if midway else 0.78, Method.RULE, "type.info: a question without device or fault"
        )
    sure = 0.78 if len(words) <= _REMARK else 0.7
    return Fact(AppealType.OTHER, sure, Method.RULE, "type.other: a remark without device or fault")


def _overridden(wish: Fact | None, signals: Signals) -> Fact | None:
    if _foreign(signals):
        return Fact(AppealType.OTHER, 0.93, Method.RULE, "type.other: not a client's wish")
    return wish


class RuleExtractor:
    """The `Extractor` of the pipeline: rules first, one model call for what stays open, pure merging.

    Without a model (`model=None`) `complete` says so in `failed` and leaves the reading as it is. `catalogue_of` gives the
    catalogue of a tenant that names devices of its own; it must answer at once.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        model: ModelReader | None = None,
        catalogue_of: Callable[[UUID], Catalogue] | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._model = model
        self._catalogue_of = catalogue_of

    def read(self, texts: Sequence[str], context: TurnContext) -> Reading:
        """What the texts say by rules alone. Pure but for caches; never raises on any text."""
        return RuleReader(self._own(context.tenant_id)).read(texts, context)

    def _own(self, tenant_id: UUID) -> Catalogue:
        return self._catalogue_of(tenant_id) if self._catalogue_of is not None else self._catalogue

    def merge(self, known: Hypothesis, fresh: Hypothesis, *, correction: bool = False) -> Hypothesis:
        """Facts of the appeal after the turn; see `state.merge`."""
        return state.merge(known, fresh, correction=correction)

    async def complete(self, texts: Sequence[str], reading: Reading, context: TurnContext) -> Completion:
        """One model call for the open fields. Never raises on provider failure: says so in `failed`."""
        if not reading.open_fields:
            return Completion(reading, 0)
        if self._model is None:
            return Completion(reading, 0, failed="no_model", steps=("no model is configured",))
        asking = Asking(context.known, context.expecting, context.options)
        scope = CallScope(context.tenant_id, context.turn_id, client_id=context.client_id)
        return await self._model.complete(texts, reading, asking, scope, self._own(context.tenant_id))
