"""The second opinion: when it doubts, when it finds, when it is silent, and that its weights belong to this code."""

from __future__ import annotations

from pathlib import Path

import pytest

from battcrm.extraction.evaluation.dataset import load
from battcrm.extraction.opinion.features import features_of
from battcrm.extraction.opinion.fit import fingerprint, fit
from battcrm.extraction.opinion.judge import applies, judged_owner, judged_repairs, judged_type
from battcrm.extraction.opinion.opinion import Opinion, read_opinion
from battcrm.extraction.opinion.roles import ROLE
from battcrm.extraction.opinion.weights import COLUMNS, TYPES, load_weights, pack, parse, unpack, write
from battcrm.extraction.thresholds import ACT
from battcrm.kit.errors import Invalid
from battcrm.models.facts import Fact, Hypothesis, Method
from tests.unit.extraction.reader import reader

_GOLDEN = Path(__file__).parents[3] / "data" / "golden"
_LEARNT = ("dev", "extra*", "fresh*", "phrases")


def opinion(*, sure: float = 0.96, **logits: float) -> Opinion:
    row = [logits.get(name, -8.0) for name in COLUMNS]
    share = (1 - 0.05) / (len(TYPES) - 1)
    types = {name: 0.05 if logits.get(name) is None else sure for name in TYPES}
    return Opinion(tuple(row), types if set(logits) & set(TYPES) else dict.fromkeys(TYPES, share))


def fact(value: str, confidence: float = 0.95) -> Fact:
    return Fact(value, confidence, Method.RULE, "rule")


def test_the_weights_were_fitted_on_the_dialogues_as_they_are() -> None:
    learnt = sorted(path for name in _LEARNT for path in _GOLDEN.glob(f"{name}.jsonl"))
    assert load_weights().made_of == fingerprint(learnt), "run: battcrm eval fit " + " ".join(p.name for p in learnt)


def test_nothing_is_learnt_from_what_only_measures() -> None:
    assert not any(
        path.name in {"test.jsonl", "blind.jsonl", "held1.jsonl", "held2.jsonl"}
        for name in _LEARNT
        for path in _GOLDEN.glob(f"{name}.jsonl")
    )


def test_a_wish_unlike_its_words_is_doubted_and_a_likely_one_is_kept() -> None:
    doubted = judged_type(fact("warranty"), opinion(repair=5.0))
    assert doubted is not None
    assert doubted.value == "warranty"
    assert doubted.confidence < ACT
    kept = judged_type(fact("repair"), opinion(repair=5.0))
    assert kept is not None
    assert (kept.value, kept.source) == ("repair", "rule")
    assert kept.confidence >= 0.95


def test_a_repair_is_no_matter_of_doubt_where_the_client_brings_the_part() -> None:
    assert judged_type(fact("repair"), opinion(info=5.0), brought=True) == fact("repair")
    doubted = judged_type(fact("repair"), opinion(info=5.0))
    assert doubted is not None
    assert doubted.confidence < ACT


def test_a_wish_most_unlike_its_words_is_overruled() -> None:
    found = judged_type(fact("warranty"), opinion(sure=0.98, repair=5.0))
    assert found is not None
    assert (found.value, found.source) == ("repair", "opinion: like dialogues of type repair")
    assert ACT <= found.confidence < 0.9


def test_the_residue_is_doubted_late() -> None:
    """`other` is a hundred unlike things: hardly any text is much like all of them."""
    near = opinion(other=-3.2, screen=-3.2)
    kept, doubted = judged_repairs((fact("other"), fact("screen")), near, fact("repair"))
    assert kept.confidence >= ACT > doubted.confidence


def test_a_certain_fault_is_doubted_late() -> None:
    certain, likely = judged_repairs(
        (fact("screen", 0.97), fact("camera", 0.96)), opinion(screen=-3.2, camera=-3.2), None
    )
    assert certain.confidence >= ACT > likely.confidence


def test_a_wish_the_rules_have_no_words_for_is_found() -> None:
    found = judged_type(None, opinion(status=5.0))
    assert found is not None
    assert found.value == "status"
    assert found.confidence >= ACT
    unsure = Opinion((0.0,) * len(COLUMNS), dict.fromkeys(TYPES, 1 / len(TYPES)))
    assert judged_type(None, unsure) is None


def test_repairs_are_doubted_one_by_one_and_found_only_where_one_is_wished() -> None:
    kept, doubted = judged_repairs((fact("screen"), fact("camera")), opinion(screen=2.0), fact("repair"))
    assert (kept.confidence >= ACT, doubted.confidence >= ACT) == (True, False)
    assert [f.value for f in judged_repairs((), opinion(battery=3.0), fact("repair"))] == ["battery"]
    assert judged_repairs((), opinion(battery=3.0), fact("purchase")) == ()


def test_an_owner_is_found_only_for_a_repair() -> None:
    found = judged_owner(None, opinion(client=3.0), fact("repair"))
    assert found is not None
    assert found.value == "client"
    assert judged_owner(None, opinion(client=3.0), fact("status")) is None


def test_a_text_that_names_no_part_has_no_likely_owner() -> None:
    assert judged_owner(None, opinion(client=3.0), fact("repair"), named=False) is None
    assert judged_owner(fact("client"), opinion(client=3.0), fact("repair"), named=False) == fact("client", 0.96)


def test_a_choice_between_two_owners_is_not_overruled() -> None:
    choice = fact("shop", 0.97)
    assert judged_owner(choice, opinion(client=3.0, shop=0.0), fact("repair")) == choice


def test_an_owner_the_rules_name_is_overruled_by_a_sure_opinion_and_doubted_by_one_that_sees_none() -> None:
    said = fact("shop", 0.96)
    assert judged_owner(said, opinion(client=1.0, shop=0.0), fact("repair")) == said
    overruled = judged_owner(said, opinion(client=3.0), fact("repair"))
    assert overruled is not None
    assert (overruled.value, overruled.source) == ("client", "opinion: like a client's part")
    doubted = judged_owner(said, opinion(), fact("repair"))
    assert doubted is not None
    assert doubted.value == "shop"
    assert doubted.confidence < ACT


def test_a_named_part_is_the_one_where_the_text_tells_whose_it_is() -> None:
    unlike = opinion(screen=-3.0)
    (doubted,) = judged_repairs((fact("screen"),), unlike, fact("repair"))
    (kept,) = judged_repairs((fact("screen"),), unlike, fact("repair"), owned=True)
    assert kept.confidence >= ACT > doubted.confidence


def test_one_story_in_other_words_plays_in_the_same_roles() -> None:
    def play(text: str) -> set[str]:
        line, _ = reader().line_of([text])
        return {name for name in features_of(line) if name.startswith(ROLE)}

    assert play("экран купил, вставите?") == play("аккумулятор раздобыл, воткнёте?")
    assert play("экран купил, вставите?") != play("экран купите, вставите?")


def test_later_turns_and_a_word_or_two_are_left_to_the_rules() -> None:
    first, _ = reader().line_of(["сколько стоит экран на айфон 13"])
    assert applies(first, None)
    assert applies(first, Hypothesis(appeal_type=fact("other")))
    assert not applies(first, Hypothesis(appeal_type=fact("repair")))
    short, _ = reader().line_of(["айфон 13"])
    assert not applies(short, None)


def test_a_text_of_unknown_words_is_like_nothing() -> None:
    line, _ = reader().line_of(["зюзя кракозябр фырть мяк"])
    assert max(read_opinion(line).types.values()) < 0.75


def test_packed_rows_add_up_column_by_column() -> None:
    one = [(-1) ** n * n / 8 for n in range(len(COLUMNS) + 1)]
    other = [60.5 - n for n in range(len(COLUMNS) + 1)]
    assert unpack(pack(one) * 300 + pack(other), 301) == [300 * a + b for a, b in zip(one, other, strict=True)]


def test_the_same_dialogues_give_the_same_weights_and_they_come_back_from_the_file(tmp_path: Path) -> None:
    examples = load(_GOLDEN / "extra6.jsonl")
    lines = [(reader().line_of([t for turn in e.turns for t in turn.texts])[0], e) for e in examples]
    rows = fit(lines)
    assert rows == fit(lines)
    path = tmp_path / "weights.tsv"
    write(path, rows, "x")
    back = parse(path.read_text("utf-8"))
    assert back.made_of == "x"
    assert all(name in back for name in rows if name)
    known = [
        (line, e) for line, e in lines if len(e.expect) == 1 and "battery" in (e.expect[0].get("repair_types") or ())
    ]
    assert known
    column = COLUMNS.index("battery")
    assert all(sum(rows[name][column] for name in ("=батарея", "@battery") if name in rows) > 0 for _ in known)


def test_weights_of_other_labels_are_refused() -> None:
    with pytest.raises(Invalid):
        parse("0\ta,b\tx\n")


def test_unknown_words_leave_nothing_behind() -> None:
    weights = load_weights()
    assert weights.packed("=экран") > 0
    before = len(weights._rows)
    for number in range(50):
        assert weights.packed(f"=небывальщина{number}") == 0
    assert len(weights._rows) == before


def test_likeness_does_not_bring_back_what_the_client_denies() -> None:
    wish = fact("repair")
    assert [f.value for f in judged_repairs((), opinion(cleaning=5.0), wish)] == ["cleaning"]
    assert judged_repairs((), opinion(cleaning=5.0), wish, frozenset({"cleaning"})) == ()


def test_a_denied_word_has_features_of_its_own() -> None:
    line, _ = reader().line_of(["не греется, шумит"])
    found = set(features_of(line))
    assert {"!=греться", "=шуметь"} <= found
    assert "=греться" not in found
    assert "!=шуметь" not in found
