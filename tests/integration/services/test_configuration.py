"""The tenant's document on the real server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from battcrm.infra.postgres import Pool, open_pool
from battcrm.infra.wake import Wakeups
from battcrm.kit.clock import SystemClock
from battcrm.kit.errors import Conflict, Invalid
from battcrm.kit.ids import IdFactory
from battcrm.pipeline.configs import TenantConfigs
from battcrm.pipeline.settings import DialogSettings
from battcrm.services.configuration import Configuration, Difference, changed, difference
from battcrm.services.tenants import Tenants, TenantView


@pytest.fixture
async def pool(clean_database: str) -> AsyncIterator[Pool]:
    opened = await open_pool(clean_database, maximum=4)
    yield opened
    await opened.close()


@pytest.fixture
async def tenant(pool: Pool) -> TenantView:
    clock = SystemClock()
    return await Tenants(pool, clock, IdFactory(clock)).create("shop", "Shop")


async def test_a_published_draft_is_what_the_pipeline_reads_at_once(pool: Pool, tenant: TenantView) -> None:
    clock, wakeups = SystemClock(), Wakeups()
    configs = TenantConfigs(pool, clock, wakeups)
    service = Configuration(pool, clock, wakeups)
    await service.set(tenant.tenant_id, "dialog.quiet", 1.5, "anna")
    before = (await configs.load([tenant.tenant_id]))[tenant.tenant_id]
    assert before.config.section(DialogSettings).quiet == 2.5
    await service.publish(tenant.tenant_id, "anna")
    after = (await configs.load([tenant.tenant_id]))[tenant.tenant_id]
    assert after.config.section(DialogSettings).quiet == 1.5


async def test_a_wrong_value_is_refused_by_name_and_changes_nothing(pool: Pool, tenant: TenantView) -> None:
    service = Configuration(pool, SystemClock(), Wakeups())
    with pytest.raises(Invalid) as error:
        await service.set(tenant.tenant_id, "dialog.quiet", -1, "anna")
    assert error.value.field == "dialog.quiet"
    with pytest.raises(Invalid):
        await service.set(tenant.tenant_id, "dialoq.quiet", 1, "anna")
    assert await service.draft(tenant.tenant_id) is None


async def test_rollback_makes_a_new_version_equal_to_the_old_one(pool: Pool, tenant: TenantView) -> None:
    service = Configuration(pool, SystemClock(), Wakeups())
    await service.set(tenant.tenant_id, "dialog.cap", 20, "anna")
    second = await service.publish(tenant.tenant_id, "anna")
    third = await service.rollback(tenant.tenant_id, 1, "oleg")
    assert (second.version, third.version) == (2, 3)
    assert (await service.current(tenant.tenant_id)).document == {}
    assert (await service.get(tenant.tenant_id, 2)).document == {"dialog": {"cap": 20}}


async def test_only_drafts_are_published_and_only_published_versions_come_back(pool: Pool, tenant: TenantView) -> None:
    service = Configuration(pool, SystemClock(), Wakeups())
    with pytest.raises(Conflict):
        await service.publish(tenant.tenant_id, "anna")
    draft = await service.set(tenant.tenant_id, "dialog.cap", 20, "anna")
    with pytest.raises(Conflict):
        await service.rollback(tenant.tenant_id, draft.version, "anna")


def test_paths_reach_into_the_document_without_touching_the_original() -> None:
    document = {"dialog": {"quiet": 1, "cap": 9}}
    assert changed(document, "dialog.quiet", 2) == {"dialog": {"quiet": 2, "cap": 9}}
    assert changed(document, "dialog.quiet", None) == {"dialog": {"cap": 9}}
    assert changed(document, "pricing.min_repairs", 7) == {**document, "pricing": {"min_repairs": 7}}
    assert document == {"dialog": {"quiet": 1, "cap": 9}}


def test_a_difference_names_every_changed_value() -> None:
    assert list(difference({"a": {"b": 1, "c": [1]}}, {"a": {"b": 2, "c": [1]}, "d": 3})) == [
        Difference("a.b", 1, 2),
        Difference("d", None, 3),
    ]
