from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from battcrm.graph.context import GraphContextReader
from battcrm.graph.pricing_source import PostgresPricing
from battcrm.graph.sync import Projector
from battcrm.infra.circuit import Circuit
from battcrm.infra.neo4j import Graph
from battcrm.infra.postgres import Pool
from battcrm.kit.clock import ManualClock, SystemClock
from battcrm.models.situation import ContextQuery
from tests.support.graph_rows import NOW, Rows


def query(rows: Rows, client_id: UUID | None = None, **changes: object) -> ContextQuery:
    base = ContextQuery(rows.tenant_id, client_id or uuid4(), "Apple", "iPhone 13", ("screen",), None, NOW)
    return replace(base, **changes)  # type: ignore[arg-type]


async def test_history_spans_merged_clients_and_tells_each_thing_once(
    rows: Rows, projector: Projector, reader: GraphContextReader
) -> None:
    oldest = await rows.client()
    await rows.client()
    middle, survivor = await rows.client(), await rows.client()
    merge = "UPDATE client SET merged_into = $3 WHERE tenant_id = $1 AND client_id = $2"
    for merged in (oldest, middle):
        await rows.pool.execute(merge, rows.tenant_id, merged, survivor)
    appeal = await rows.appeal(oldest, 1, status="done")
    await rows.repair(20, client_id=oldest, appeal_id=appeal)
    loose = await rows.repair(40, client_id=middle, model="iPhone 12")
    await projector.rebuild(rows.tenant_id)
    for asked in (oldest, middle, survivor):
        facts = await reader.fetch(query(rows, asked))
        assert facts.unavailable is None
        assert [p.ref for p in facts.history] == [str(appeal), str(loose)]
        assert facts.history[0].amount == 700_000


async def test_similar_ranks_model_overlap_and_recency_and_says_why(
    rows: Rows, projector: Projector, reader: GraphContextReader
) -> None:
    own = await rows.client()
    family = await rows.repair(2, model="iPhone 13 Pro")
    old = await rows.repair(200)
    both = await rows.repair(5, repair_types=["screen", "battery"])
    fresh = await rows.repair(5)
    await rows.repair(1, model="iPhone 14")
    await rows.repair(1, client_id=own)
    await rows.repair(1, status="refused")
    await rows.repair(1, repair_types=["battery"])
    await projector.rebuild(rows.tenant_id)
    facts = await reader.fetch(query(rows, own))
    assert [p.ref for p in facts.similar] == [str(r) for r in (fresh, family, both, old)]
    assert facts.similar[0].why == "same model; same repair; 5 days ago"
    assert facts.similar[2].why == "same model; shared: screen; 5 days ago"


async def test_a_sibling_asked_next_needs_no_other_question(
    rows: Rows, projector: Projector, reader: GraphContextReader, bolt: Graph
) -> None:
    for model in ("iPhone 13", "iPhone 13 Pro"):
        await rows.repair(3, model=model)
    await projector.rebuild(rows.tenant_id)
    base = await reader.fetch(query(rows, newcomer=True))
    await bolt.close()
    sibling = await reader.fetch(query(rows, newcomer=True, model="iPhone 13 Pro"))
    assert sibling.unavailable is None
    assert [past.model for past in base.similar] == ["iPhone 13", "iPhone 13 Pro"]
    assert [past.model for past in sibling.similar] == ["iPhone 13 Pro", "iPhone 13"]


async def test_offers_have_support_and_lift_and_skip_what_was_just_done(
    rows: Rows, projector: Projector, reader: GraphContextReader
) -> None:
    for day in range(8):
        client = await rows.client()
        await rows.repair(day + 1, client_id=client)
        await rows.repair(day + 1, client_id=client, repair_types=["battery"])
    for day in range(8):
        await rows.repair(day + 1, repair_types=["camera"])
    satisfied = await rows.client()
    await rows.repair(30, client_id=satisfied, repair_types=["battery"])
    await projector.rebuild(rows.tenant_id)
    facts = await reader.fetch(query(rows))
    assert [(o.repair_type, o.support) for o in facts.offers] == [("battery", 8)]
    assert facts.offers[0].lift == pytest.approx(8 * 17 / (8 * 9), abs=0.01)
    assert (await reader.fetch(query(rows, satisfied))).offers == ()


async def test_a_quote_has_labour_from_repairs_part_from_the_list_and_all_evidence(
    rows: Rows, reader: GraphContextReader
) -> None:
    refs = {str(await rows.repair(d, labour_amount=200_000 + d * 100)) for d in range(1, 9)}
    price = await rows.price(stock=2, part_price=500_000)
    (quote,) = (await reader.fetch(query(rows))).quotes
    assert quote.refusal is None
    assert quote.low <= 700_000 <= quote.median <= 701_000 <= quote.high <= 750_000
    assert (quote.n, quote.part_price, quote.part_stock, quote.labour_only) == (8, 500_000, 2, False)
    assert {e.ref for e in quote.evidence} == refs | {str(price)}


async def test_prices_survive_without_a_graph_and_say_so(rows: Rows, pool: Pool) -> None:
    for day in range(6):
        await rows.repair(day)
    dead = Graph.open(
        "bolt://127.0.0.1:9", "root", "nothing-there", clock=SystemClock(), circuit=Circuit(ManualClock(NOW))
    )
    reader = GraphContextReader(dead, PostgresPricing(pool, deadline=20.0), SystemClock(), deadline=0.5)
    facts = await reader.fetch(query(rows))
    assert facts.unavailable in ("graph: graph_unavailable", "graph: graph_timeout")
    assert facts.quotes[0].n == 6
    for _ in range(5):
        facts = await reader.fetch(query(rows))
    assert facts.unavailable == "graph: circuit_open"
    assert facts.quotes[0].refusal is None
    await dead.close()


async def test_events_renew_what_is_cached(rows: Rows, projector: Projector, reader: GraphContextReader) -> None:
    client = await rows.client()
    ask = query(rows, client)
    assert (await reader.fetch(ask)).quotes[0].refusal == "no_data"
    for day in range(6):
        await rows.repair(day + 1, client_id=client)
    await projector.rebuild(rows.tenant_id)
    stale = await reader.fetch(ask)
    assert (stale.quotes[0].n, stale.history) == (0, ())
    reader.forget({"repair.recorded"}, rows.tenant_id, (client,))
    renewed = await reader.fetch(ask)
    assert (renewed.quotes[0].n, len(renewed.history)) == (6, 6)


async def test_unknown_and_hostile_questions_are_answered_with_nothing(rows: Rows, reader: GraphContextReader) -> None:
    for name in ("no such model", "'}) DETACH DELETE n //", "", "%", "\\"):
        facts = await reader.fetch(query(rows, brand=name, model=name, repair_types=(name, "screen")))
        assert facts.unavailable is None
        assert (facts.history, facts.similar, facts.offers) == ((), (), ())
        assert all(q.refusal == "no_data" for q in facts.quotes)
    assert (await reader.fetch(query(rows, brand=None, model=None, repair_types=()))).quotes == ()
    assert "price" in str((await reader.fetch(query(rows, model="nul\x00", repair_types=("screen",)))).unavailable)
