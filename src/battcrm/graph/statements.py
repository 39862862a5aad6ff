"""The one reading statement of a turn. Cypher that Neo4j 5.26 and ArcadeDB both take."""

from __future__ import annotations

from typing import Final

# The columns of each row in the answer's lists: names are not sent once per row.
HISTORY_COLUMNS: Final = ("id", "kind", "appeal_id", "brand", "model", "repair_types", "status", "at", "amount")
REPAIR_COLUMNS: Final = ("id", "client_id", "model", "repair_types", "at", "amount", "device_id")

# Both parts are aggregates, so that there is exactly one row; $want_* leave out what the caller has in its cache.
# Of a device everything is read and kept, whatever the repair asked about: the next question is about the same device.
# $entries and $repairs bound what is looked at behind one person and behind one model: a wholesale buyer with a hundred
# thousand orders costs no more than anybody else. Servers walk a node's newest edges first, so what is left is older.
# A merge joins directly into the survivor, never into somebody merged (the database sees to it).
CONTEXT: Final = """
CALL () {
  MATCH (me:Client {tenant_id: $tenant_id, id: $client_id})
  WHERE $want_history
  OPTIONAL MATCH (me)-[:MERGED_INTO]->(up:Client)
  WITH coalesce(up, me) AS top
  OPTIONAL MATCH (other:Client)-[:MERGED_INTO]->(top)
  WITH top, collect(other) AS others
  UNWIND [top] + others AS one
  MATCH (one)<-[:OF_CLIENT]-(e)
  WITH e LIMIT $entries
  WITH e ORDER BY e.at DESC LIMIT $history
  RETURN collect([e.id, e.kind, e.appeal_id, e.brand, e.model, e.repair_types, e.status, e.at, e.amount]) AS history
}
CALL () {
  MATCH (m:Model {tenant_id: $tenant_id, brand: $brand, family: $family})
  WHERE $want_shared
  CALL (m) {
    MATCH (m)<-[:OF_MODEL]-(r:Repair)
    WHERE r.status = 'done'
    RETURN r LIMIT $repairs
  }
  RETURN collect([r.id, r.client_id, r.model, r.repair_types, r.at, r.amount, r.device_id]) AS repairs
}
RETURN history, repairs
"""
