"""The statements of imports: what is known already, and set-wise upserts."""

from __future__ import annotations

from typing import Final

LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1::uuid::text, 7461)) /* one import per tenant_id */"
KNOWN: Final = """
SELECT external_id, internal_id, hash FROM external_ref
WHERE tenant_id = $1 AND system = $2 AND entity = $3 AND external_id = ANY($4::text[])
"""
REMEMBER: Final = """
INSERT INTO external_ref (tenant_id, system, entity, external_id, internal_id, hash, updated_at)
SELECT $1, $2, $3, r.external_id, r.internal_id, r.hash, $4
FROM unnest($5::text[], $6::uuid[], $7::bytea[]) AS r(external_id, internal_id, hash)
ON CONFLICT (tenant_id, system, entity, external_id) DO UPDATE SET hash = EXCLUDED.hash, updated_at = EXCLUDED.updated_at
"""
PHONES: Final = """
SELECT DISTINCT ON (p.phone) p.phone, coalesce(c.merged_into, c.client_id) AS client_id
FROM client_phone p JOIN client c USING (tenant_id, client_id)
WHERE p.tenant_id = $1 AND p.phone = ANY($2::text[]) ORDER BY p.phone, p.verified DESC, p.created_at
"""
PRICES: Final = """
INSERT INTO price_item (tenant_id, price_item_id, brand, model, repair_type, part_name, part_price, labour_price,
  stock, quality, priced_at, currency, source, active, version)
SELECT $1, r.own, r.brand, r.model, r.repair_type, r.part_name, r.part_price, r.labour_price, r.stock, r.quality,
  r.priced_at, r.currency, $2, r.active, 1
FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::int[],
  $11::text[], $12::timestamptz[], $13::text[], $14::bool[])
  AS r(own, brand, model, repair_type, part_name, part_price, labour_price, stock, quality, priced_at, currency, active)
ON CONFLICT (tenant_id, price_item_id) DO UPDATE SET brand = EXCLUDED.brand, model = EXCLUDED.model,
  repair_type = EXCLUDED.repair_type, part_name = EXCLUDED.part_name, part_price = EXCLUDED.part_price,
  labour_price = EXCLUDED.labour_price, stock = EXCLUDED.stock, quality = EXCLUDED.quality,
  priced_at = EXCLUDED.priced_at, currency = EXCLUDED.currency, active = EXCLUDED.active,
  version = price_item.version + 1
RETURNING price_item_id, version
"""
# The kinds of one repair travel as one text: unnest would flatten an array of arrays.
REPAIRS: Final = """
INSERT INTO repair_record (tenant_id, repair_id, client_id, brand, model, device_class, repair_types, part_owner,
  labour_amount, part_amount, total_amount, status, opened_at, closed_at, source, note, version)
SELECT $1, r.own, r.client_id, r.brand, r.model, r.device_class, string_to_array(r.kinds, ','), r.part_owner,
  r.labour, r.part, r.total, r.status, r.opened_at, r.closed_at, $2, r.note, 1
FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bigint[],
  $11::bigint[], $12::bigint[], $13::text[], $14::timestamptz[], $15::timestamptz[], $16::text[])
  AS r(own, client_id, brand, model, device_class, kinds, part_owner, labour, part, total, status, opened_at,
    closed_at, note)
ON CONFLICT (tenant_id, repair_id) DO UPDATE SET
  client_id = coalesce(EXCLUDED.client_id, repair_record.client_id), brand = EXCLUDED.brand, model = EXCLUDED.model,
  device_class = EXCLUDED.device_class, repair_types = EXCLUDED.repair_types, part_owner = EXCLUDED.part_owner,
  labour_amount = EXCLUDED.labour_amount, part_amount = EXCLUDED.part_amount, total_amount = EXCLUDED.total_amount,
  status = EXCLUDED.status, opened_at = EXCLUDED.opened_at, closed_at = EXCLUDED.closed_at, note = EXCLUDED.note,
  version = repair_record.version + 1
RETURNING repair_id, version
"""
