"""The one reading statement of a turn. Cypher that Neo4j 5.26 and ArcadeDB both take."""

from __future__ import annotations

from typing import Final

# Every part is an aggregate, so that there is exactly one row; $want_* leave out what the caller has in its cache.
# Of a device everything is read and kept, whatever the repair asked about: the next question is about the same device.
# $scan bounds what is looked at behind one client or model before it is sorted: a wholesale buyer with a hundred
# thousand orders costs no more than anybody else. Servers walk a node's newest edges first, so the rest is older.
CONTEXT: Final = """
CALL () {
  MATCH (me:Client {tenant_id: $tenant_id, id: $client_id})-[:MERGED_INTO*0..4]->(top:Client)
  WHERE $want_history AND NOT (top)-[:MERGED_INTO]->(:Client)
  MATCH (one:Client)-[:MERGED_INTO*0..4]->(top)
  WITH DISTINCT one LIMIT 50
  CALL (one) {
    MATCH (one)<-[:OF_CLIENT]-(e)
    WHERE e.tenant_id = $tenant_id
    RETURN e LIMIT $scan
  }
  WITH e ORDER BY e.at DESC LIMIT $history
  RETURN collect({id: e.id, kind: e.kind, appeal_id: e.appeal_id, brand: e.brand, model: e.model,
    repair_types: e.repair_types, status: e.status, at: e.at, amount: e.amount}) AS history
}
CALL () {
  MATCH (m:Model {tenant_id: $tenant_id, brand: $brand, family: $family})<-[:OF_MODEL]-(r:Repair)
  WHERE $want_shared AND r.status = 'done'
  WITH r LIMIT $scan
  WITH r, CASE WHEN r.model = $model THEN 0 ELSE 1 END AS far
  ORDER BY far, r.at DESC LIMIT $similar
  RETURN collect({id: r.id, client_id: r.client_id, brand: r.brand, model: r.model, repair_types: r.repair_types,
    status: r.status, at: r.at, amount: r.amount}) AS similar
}
CALL () {
  MATCH (m:Model {tenant_id: $tenant_id, brand: $brand, family: $family})<-[:OF_MODEL]-(r:Repair)
  WHERE $want_shared AND r.status = 'done' AND r.at >= $since
  WITH r LIMIT $scan
  WITH r ORDER BY r.at DESC LIMIT $baskets
  UNWIND r.repair_types AS kind
  WITH coalesce(r.device_id, r.id) AS basket, collect(DISTINCT kind) AS kinds
  RETURN collect(kinds) AS baskets
}
RETURN history, similar, baskets
"""
