"""Two clients become one and two again: exactly what moved returns (PROTOCOL C6)."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from battcrm.infra.due import Claim
from battcrm.kit.errors import Conflict, Invalid
from battcrm.services.clients_twins import TWINS_KIND
from tests.integration.operator.conftest import Shop

ONE, TWO, THREE = "visitor-1", "visitor-2", "visitor-3"
_EVERYTHING = {
    "client": "SELECT client_id, display_name, do_not_contact, blocked, vip, merged_into FROM client WHERE tenant_id = $1",
    "identity": "SELECT identity_id, client_id FROM identity WHERE tenant_id = $1",
    "phone": "SELECT client_id, phone, verified, source, created_at FROM client_phone WHERE tenant_id = $1",
    "appeal": "SELECT appeal_id, client_id, dialog_id, status, control FROM appeal WHERE tenant_id = $1",
    "intent": "SELECT intent_id, client_id FROM outgoing_intent WHERE tenant_id = $1",
    "repair": "SELECT repair_id, client_id FROM repair_record WHERE tenant_id = $1",
    "work": "SELECT client_id, due_at FROM client_work WHERE tenant_id = $1",
}
_INTENT = """
INSERT INTO outgoing_intent (tenant_id, intent_id, bucket, client_id, purpose, content, cause, dedupe_key, state, due_at,
                             created_at)
VALUES ($1, $2, 0, $3, 'touch', '{}'::jsonb, '{}'::jsonb, gen_random_uuid()::text, 'pending', $4, $4)
"""
_REPAIR = """
INSERT INTO repair_record (tenant_id, repair_id, client_id, brand, model, status, opened_at, source)
VALUES ($1, $2, $3, 'Apple', 'iPhone 11', 'done', $4, 'test')
"""


async def _state(shop: Shop) -> dict[str, list[str]]:
    return {name: sorted(str(sorted(r.items())) for r in await shop.rows(sql)) for name, sql in _EVERYTHING.items()}


async def _two(shop: Shop) -> tuple[UUID, UUID]:
    """Two clients with everything a client can have; they share one phone and differ in another."""
    await shop.hears("сколько стоит экран на айфон 13?", visitor=ONE)
    await shop.hears("сколько стоит аккумулятор на самсунг а52?", visitor=TWO)
    await shop.answers()
    kept, gone = await shop.client(ONE), await shop.client(TWO)
    await shop.says_phone("+79000000001", visitor=ONE, verified=False)
    await shop.says_phone("+79000000001", visitor=TWO, verified=True)
    await shop.says_phone("+79000000002", visitor=TWO, verified=False)
    now = shop.runtime.clock.now()
    await shop.runtime.pool.execute(_INTENT, shop.tenant_id, uuid4(), gone, now)
    await shop.runtime.pool.execute(_REPAIR, shop.tenant_id, uuid4(), gone, now)
    await shop.runtime.pool.execute(
        "UPDATE client SET do_not_contact = true, vip = true WHERE tenant_id = $1 AND client_id = $2",
        shop.tenant_id,
        gone,
    )
    return kept, gone


async def test_a_preview_counts_and_doubts_and_changes_nothing(shop: Shop) -> None:
    kept, gone = await _two(shop)
    before = await _state(shop)
    plan = await shop.clients.preview(shop.tenant_id, 1, 2)
    assert (plan.survivor.client_id, plan.duplicate.client_id, plan.merge_id) == (kept, gone, None)
    assert plan.moves == {
        "identities": 1, "dialogs": 1, "appeals": 1, "open_appeals": 1, "phones": 2, "intents": 1, "repairs": 1,
        "merged_before": 0,
    }  # fmt: skip
    codes = {c.code for c in plan.conflicts}
    assert codes == {"two_accounts_in_one_channel", "do_not_contact", "messages_on_their_way", "vip"}
    assert await _state(shop) == before


async def test_everything_moves_and_the_duplicate_points_to_the_survivor(shop: Shop) -> None:
    kept, gone = await _two(shop)
    versions = {r["dialog_id"]: r["version"] for r in await shop.rows("SELECT * FROM dialog WHERE tenant_id = $1")}
    await shop.clients.merge(shop.tenant_id, kept, gone)
    for table in ("identity", "appeal", "outgoing_intent", "repair_record", "client_phone"):
        owners = {r["client_id"] for r in await shop.rows(f"SELECT client_id FROM {table} WHERE tenant_id = $1")}
        assert owners == {kept}, table
    phones = await shop.rows("SELECT phone, verified FROM client_phone WHERE tenant_id = $1 ORDER BY phone")
    assert [(p["phone"], p["verified"]) for p in phones] == [("+79000000001", True), ("+79000000002", False)]
    clients = {r["client_id"]: r for r in await shop.rows("SELECT * FROM client WHERE tenant_id = $1")}
    assert (clients[gone]["merged_into"], clients[kept]["do_not_contact"]) == (kept, True)
    after = {r["dialog_id"]: r["version"] for r in await shop.rows("SELECT * FROM dialog WHERE tenant_id = $1")}
    assert all(after[d] > versions[d] for d in versions)
    (merged,) = await shop.events("client.merged")
    assert (merged["client_id"], merged["survivor_id"]) == (str(gone), str(kept))
    moved = {e["appeal_id"] for e in await shop.events("appeal.updated") if e["client_id"] == str(kept)}
    assert str((await shop.appeal())["appeal_id"]) in moved
    await shop.hears("а по самсунгу записывайте", visitor=TWO)
    await shop.answers()
    turns = await shop.rows("SELECT client_id FROM turn WHERE tenant_id = $1 ORDER BY turn_id")
    assert turns[-1]["client_id"] == kept


async def test_taking_it_back_restores_exactly_what_was(shop: Shop) -> None:
    kept, gone = await _two(shop)
    before = await _state(shop)
    done = await shop.clients.merge(shop.tenant_id, kept, gone)
    assert done.merge_id is not None
    assert await _state(shop) != before
    preview = await shop.clients.preview_unmerge(shop.tenant_id, done.merge_id)
    assert (preview.done, preview.returns["appeals"], preview.later) == (False, 1, 0)
    await shop.clients.unmerge(shop.tenant_id, gone)
    assert await _state(shop) == before
    separated = (await shop.events("client.merged"))[-1]
    assert (separated["client_id"], separated["survivor_id"]) == (str(gone), str(gone))
    with pytest.raises(Conflict) as again:
        await shop.clients.unmerge(shop.tenant_id, done.merge_id)
    assert again.value.code == "undone_already"
    with pytest.raises(Invalid):
        await shop.clients.unmerge(shop.tenant_id, uuid4())


async def test_what_came_after_the_merge_follows_its_chat(shop: Shop) -> None:
    kept, gone = await _two(shop)
    merge = await shop.clients.merge(shop.tenant_id, kept, gone)
    assert merge.merge_id is not None
    await shop.hears("и ещё ноутбук асус вивобук 15 не включается", visitor=TWO)
    await shop.hears("и ещё самокат кугу s3, прокол колеса", visitor=ONE)
    await shop.answers()
    assert {a["client_id"] for a in await shop.rows("SELECT * FROM appeal WHERE tenant_id = $1")} == {kept}
    plan = await shop.clients.unmerge(shop.tenant_id, merge.merge_id)
    assert plan.later == 1
    owners = {
        r["brand"]: r["client_id"]
        for r in await shop.rows("SELECT brand, client_id FROM appeal WHERE tenant_id = $1 ORDER BY number")
    }
    assert (owners["Samsung"], owners["ASUS"], owners["Kugoo"]) == (gone, gone, kept)


async def test_no_chains_and_no_cycles_and_followers_are_redirected(shop: Shop) -> None:
    first, second = await _two(shop)
    await shop.hears("сколько стоит экран на айфон 11?", visitor=THREE)
    await shop.answers()
    third = await shop.client(THREE)
    inner = await shop.clients.merge(shop.tenant_id, second, third)
    with pytest.raises(Conflict) as merged:
        await shop.clients.merge(shop.tenant_id, first, third)
    assert merged.value.code == "merged_already"
    with pytest.raises(Conflict):
        await shop.clients.merge(shop.tenant_id, third, first)
    outer = await shop.clients.merge(shop.tenant_id, first, second)
    assert {c["merged_into"] for c in await shop.rows("SELECT merged_into FROM client WHERE tenant_id = $1")} == {
        None, first,
    }  # fmt: skip
    assert inner.merge_id is not None
    with pytest.raises(Conflict) as since:
        await shop.clients.unmerge(shop.tenant_id, inner.merge_id)
    assert since.value.code == "merged_since"
    assert outer.merge_id is not None
    await shop.clients.unmerge(shop.tenant_id, outer.merge_id)
    await shop.clients.unmerge(shop.tenant_id, inner.merge_id)
    assert {c["merged_into"] for c in await shop.rows("SELECT merged_into FROM client WHERE tenant_id = $1")} == {None}
    with pytest.raises(Invalid, match="same client"):
        await shop.clients.preview(shop.tenant_id, 1, first)


async def test_the_database_itself_refuses_chains(shop: Shop) -> None:
    first, second = await _two(shop)
    point = "UPDATE client SET merged_into = $3 WHERE tenant_id = $1 AND client_id = $2"
    await shop.runtime.pool.execute(point, shop.tenant_id, second, first)
    with pytest.raises(asyncpg.CheckViolationError):
        await shop.runtime.pool.execute(point, shop.tenant_id, first, second)
    with pytest.raises(asyncpg.CheckViolationError):
        await shop.runtime.pool.execute(point, shop.tenant_id, first, uuid4())


async def test_merges_at_once_leave_one_survivor(shop: Shop) -> None:
    first, second = await _two(shop)
    acts = [shop.clients.merge(shop.tenant_id, first, second), shop.clients.merge(shop.tenant_id, second, first)]
    results = await asyncio.gather(*acts, return_exceptions=True)
    assert sum(isinstance(r, Conflict) for r in results) == 1
    redirected = await shop.rows("SELECT client_id FROM client WHERE tenant_id = $1 AND merged_into IS NOT NULL")
    assert len(redirected) == 1


async def test_an_equal_verified_phone_merges_by_itself_and_another_only_suggests(shop: Shop) -> None:
    await _two(shop)
    (pair,) = await shop.twins.suggest(shop.tenant_id)
    assert (pair.reason, pair.automatic) == ("phone", False)
    claim = _claim(shop, await shop.client(TWO))
    await shop.twins.handle(claim)
    assert await shop.rows("SELECT 1 FROM client_merge WHERE tenant_id = $1") == []
    await shop.runtime.pool.execute("UPDATE client_phone SET verified = true WHERE tenant_id = $1", shop.tenant_id)
    (pair,) = await shop.twins.suggest(shop.tenant_id)
    assert (pair.reason, pair.automatic) == ("verified_phone", True)
    await shop.twins.handle(claim)
    (merge,) = await shop.clients.merges(shop.tenant_id)
    assert (merge.reason, merge.moved["appeals"]) == ("verified_phone", 1)
    assert await shop.twins.suggest(shop.tenant_id) == []
    await shop.twins.handle(claim)
    assert len(await shop.clients.merges(shop.tenant_id)) == 1


def _claim(shop: Shop, client_id: UUID) -> Claim:
    row: dict[str, Any] = {"kind": TWINS_KIND, "payload": {"client_id": str(client_id)}}
    return Claim(shop.tenant_id, uuid4(), 1, 1, row)
