"""The writing Cypher of the projection. One literal text per label: labels cannot be parameters in every dialect."""

from __future__ import annotations

from typing import Final, LiteralString

# A row is applied when its version is newer than the node's; $force re-applies an equal one (rebuild, repair).
UPSERT: Final[dict[str, LiteralString]] = {
    "client": """
UNWIND $rows AS row
MERGE (n:Client {tenant_id: $tenant_id, id: row.id})
WITH n, row, n.version IS NOT NULL AS known
WHERE coalesce(n.version, -1) < row.version OR ($force AND n.version = row.version)
SET n = row.properties RETURN n.id AS id, known
""",
    "appeal": """
UNWIND $rows AS row
MERGE (n:Appeal {tenant_id: $tenant_id, id: row.id})
WITH n, row, n.version IS NOT NULL AS known
WHERE coalesce(n.version, -1) < row.version OR ($force AND n.version = row.version)
SET n = row.properties RETURN n.id AS id, known
""",
    "repair": """
UNWIND $rows AS row
MERGE (n:Repair {tenant_id: $tenant_id, id: row.id})
WITH n, row, n.version IS NOT NULL AS known
WHERE coalesce(n.version, -1) < row.version OR ($force AND n.version = row.version)
SET n = row.properties RETURN n.id AS id, known
""",
    "price": """
UNWIND $rows AS row
MERGE (n:Price {tenant_id: $tenant_id, id: row.id})
WITH n, row, n.version IS NOT NULL AS known
WHERE coalesce(n.version, -1) < row.version OR ($force AND n.version = row.version)
SET n = row.properties RETURN n.id AS id, known
""",
}

MODELS: Final = """
UNWIND $rows AS row
MERGE (b:Brand {tenant_id: $tenant_id, id: row.brand})
MERGE (m:Model {tenant_id: $tenant_id, id: row.id})
SET m.brand = row.brand, m.name = row.name, m.family = row.family
MERGE (m)-[:OF_BRAND]->(b)
"""
DEVICES: Final = """
UNWIND $rows AS row
MATCH (m:Model {tenant_id: $tenant_id, id: row.model})
MERGE (c:Client {tenant_id: $tenant_id, id: row.client})
MERGE (d:Device {tenant_id: $tenant_id, id: row.id})
MERGE (d)-[:OWNED_BY]->(c)
MERGE (d)-[:IS_A]->(m)
"""
PARTS: Final = """
UNWIND $rows AS row
MATCH (m:Model {tenant_id: $tenant_id, id: row.model})
MERGE (p:Part {tenant_id: $tenant_id, id: row.id})
SET p.repair_type = row.repair_type
MERGE (p)-[:FITS]->(m)
"""

UNLINK: Final[dict[str, LiteralString]] = {
    "client": """
UNWIND $ids AS id MATCH (n:Client {tenant_id: $tenant_id, id: id})-[r:MERGED_INTO]->() DELETE r
""",
    "appeal": """
UNWIND $ids AS id MATCH (n:Appeal {tenant_id: $tenant_id, id: id})-[r:OF_CLIENT|ABOUT|ON]->() DELETE r
""",
    "repair": """
UNWIND $ids AS id
MATCH (n:Repair {tenant_id: $tenant_id, id: id})-[r:OF_CLIENT|OF_MODEL|ON|OF_APPEAL|USED]->() DELETE r
""",
    "price": """
UNWIND $ids AS id MATCH (n:Price {tenant_id: $tenant_id, id: id})-[r:PRICES]->() DELETE r
""",
}

# (entity, edge, target label) -> text. Targets that have rows of their own may come later: they start as bare ids.
LINK: Final[dict[tuple[str, str], LiteralString]] = {
    ("client", "MERGED_INTO"): """
UNWIND $rows AS row
MATCH (n:Client {tenant_id: $tenant_id, id: row.id})
MERGE (x:Client {tenant_id: $tenant_id, id: row.target}) MERGE (n)-[:MERGED_INTO]->(x)
""",
    ("appeal", "OF_CLIENT"): """
UNWIND $rows AS row
MATCH (n:Appeal {tenant_id: $tenant_id, id: row.id})
MERGE (x:Client {tenant_id: $tenant_id, id: row.target}) MERGE (n)-[:OF_CLIENT]->(x)
""",
    ("appeal", "ABOUT"): """
UNWIND $rows AS row
MATCH (n:Appeal {tenant_id: $tenant_id, id: row.id})
MATCH (x:Model {tenant_id: $tenant_id, id: row.target}) MERGE (n)-[:ABOUT]->(x)
""",
    ("appeal", "ON"): """
UNWIND $rows AS row
MATCH (n:Appeal {tenant_id: $tenant_id, id: row.id})
MATCH (x:Device {tenant_id: $tenant_id, id: row.target}) MERGE (n)-[:ON]->(x)
""",
    ("repair", "OF_CLIENT"): """
UNWIND $rows AS row
MATCH (n:Repair {tenant_id: $tenant_id, id: row.id})
MERGE (x:Client {tenant_id: $tenant_id, id: row.target}) MERGE (n)-[:OF_CLIENT]->(x)
""",
    ("repair", "OF_MODEL"): """
UNWIND $rows AS row
MATCH (n:Repair {tenant_id: $tenant_id, id: row.id})
MATCH (x:Model {tenant_id: $tenant_id, id: row.target}) MERGE (n)-[:OF_MODEL]->(x)
""",
    ("repair", "ON"): """
UNWIND $rows AS row
MATCH (n:Repair {tenant_id: $tenant_id, id: row.id})
MATCH (x:Device {tenant_id: $tenant_id, id: row.target}) MERGE (n)-[:ON]->(x)
""",
    ("repair", "OF_APPEAL"): """
UNWIND $rows AS row
MATCH (n:Repair {tenant_id: $tenant_id, id: row.id})
MERGE (x:Appeal {tenant_id: $tenant_id, id: row.target}) MERGE (n)-[:OF_APPEAL]->(x)
""",
    ("repair", "USED"): """
UNWIND $rows AS row
MATCH (n:Repair {tenant_id: $tenant_id, id: row.id})
MATCH (x:Part {tenant_id: $tenant_id, id: row.target}) MERGE (n)-[:USED]->(x)
""",
    ("price", "PRICES"): """
UNWIND $rows AS row
MATCH (n:Price {tenant_id: $tenant_id, id: row.id})
MATCH (x:Part {tenant_id: $tenant_id, id: row.target}) MERGE (n)-[:PRICES]->(x)
""",
}

ERASE: Final[dict[str, LiteralString]] = {
    "client": """
UNWIND $ids AS id MATCH (n:Client {tenant_id: $tenant_id, id: id})
OPTIONAL MATCH (d:Device)-[:OWNED_BY]->(n) DETACH DELETE d, n
""",
    "appeal": "UNWIND $ids AS id MATCH (n:Appeal {tenant_id: $tenant_id, id: id}) DETACH DELETE n",
    "repair": "UNWIND $ids AS id MATCH (n:Repair {tenant_id: $tenant_id, id: id}) DETACH DELETE n",
    "price": "UNWIND $ids AS id MATCH (n:Price {tenant_id: $tenant_id, id: id}) DETACH DELETE n",
}

# Makes the version guard give way to whatever is read next; edges that point here stay.
RESET: Final[dict[str, LiteralString]] = {
    "client": "UNWIND $ids AS id MATCH (n:Client {tenant_id: $tenant_id, id: id}) SET n.version = -1",
    "appeal": "UNWIND $ids AS id MATCH (n:Appeal {tenant_id: $tenant_id, id: id}) SET n.version = -1",
    "repair": "UNWIND $ids AS id MATCH (n:Repair {tenant_id: $tenant_id, id: id}) SET n.version = -1",
    "price": "UNWIND $ids AS id MATCH (n:Price {tenant_id: $tenant_id, id: id}) SET n.version = -1",
}

SCAN: Final[dict[str, LiteralString]] = {
    "client": """
MATCH (n:Client {tenant_id: $tenant_id}) WHERE n.id > $after AND n.id <= $upto
RETURN n.id AS id, properties(n) AS properties, [(n)-[r:MERGED_INTO]->(x) | [type(r), x.id]] AS edges
""",
    "appeal": """
MATCH (n:Appeal {tenant_id: $tenant_id}) WHERE n.id > $after AND n.id <= $upto
RETURN n.id AS id, properties(n) AS properties, [(n)-[r:OF_CLIENT|ABOUT|ON]->(x) | [type(r), x.id]] AS edges
""",
    "repair": """
MATCH (n:Repair {tenant_id: $tenant_id}) WHERE n.id > $after AND n.id <= $upto
RETURN n.id AS id, properties(n) AS properties,
  [(n)-[r:OF_CLIENT|OF_MODEL|ON|OF_APPEAL|USED]->(x) | [type(r), x.id]] AS edges
""",
    "price": """
MATCH (n:Price {tenant_id: $tenant_id}) WHERE n.id > $after AND n.id <= $upto
RETURN n.id AS id, properties(n) AS properties, [(n)-[r:PRICES]->(x) | [type(r), x.id]] AS edges
""",
}
PRUNE: Final[tuple[LiteralString, ...]] = (
    "MATCH (n:Device {tenant_id: $tenant_id}) WHERE NOT (n)<-[:ON]-() DETACH DELETE n",
    "MATCH (n:Part {tenant_id: $tenant_id}) WHERE NOT (n)<-[:USED|PRICES]-() DETACH DELETE n",
    """MATCH (n:Model {tenant_id: $tenant_id})
WHERE NOT (n)<-[:ABOUT|OF_MODEL]-() AND NOT (n)<-[:IS_A]-() AND NOT (n)<-[:FITS]-() DETACH DELETE n""",
    "MATCH (n:Brand {tenant_id: $tenant_id}) WHERE NOT (n)<-[:OF_BRAND]-() DETACH DELETE n",
)
