"""The writing Cypher of the projection. One literal text per label: labels cannot be parameters in every dialect.

Rows of several tenants travel together, each under its own tenant_id: a statement a tenant costs more than its rows.
"""

from __future__ import annotations

from typing import Final, LiteralString

# A row is applied when its version is newer than the node's; $force re-applies an equal one (rebuild, repair).
# `known` tells a node that was projected before from one that only others pointed at; `links` what it was linked to.
UPSERT: Final[dict[str, LiteralString]] = {
    "client": """
UNWIND $rows AS row
MERGE (n:Client {tenant_id: row.tenant_id, id: row.id})
WITH n, row, n.version AS known, n.links AS links
WHERE coalesce(known, -1) < row.version OR ($force AND known = row.version)
SET n = row.properties RETURN n.id AS id, known, links
""",
    "appeal": """
UNWIND $rows AS row
MERGE (n:Appeal {tenant_id: row.tenant_id, id: row.id})
WITH n, row, n.version AS known, n.links AS links
WHERE coalesce(known, -1) < row.version OR ($force AND known = row.version)
SET n = row.properties RETURN n.id AS id, known, links
""",
    "repair": """
UNWIND $rows AS row
MERGE (n:Repair {tenant_id: row.tenant_id, id: row.id})
WITH n, row, n.version AS known, n.links AS links
WHERE coalesce(known, -1) < row.version OR ($force AND known = row.version)
SET n = row.properties RETURN n.id AS id, known, links
""",
    "price": """
UNWIND $rows AS row
MERGE (n:Price {tenant_id: row.tenant_id, id: row.id})
WITH n, row, n.version AS known, n.links AS links
WHERE coalesce(known, -1) < row.version OR ($force AND known = row.version)
SET n = row.properties RETURN n.id AS id, known, links
""",
}

# What others point at and no row describes.
MODELS: Final = """
UNWIND $rows AS row
MERGE (b:Brand {tenant_id: row.tenant_id, id: row.brand})
MERGE (m:Model {tenant_id: row.tenant_id, id: row.id})
SET m.brand = row.brand, m.name = row.name, m.family = row.family
MERGE (m)-[:OF_BRAND]->(b)
"""
PARTS: Final = """
UNWIND $rows AS row
MATCH (m:Model {tenant_id: row.tenant_id, id: row.model})
MERGE (p:Part {tenant_id: row.tenant_id, id: row.id})
SET p.repair_type = row.repair_type
MERGE (p)-[:FITS]->(m)
"""
# The edges of a device never change, so they are made with it and not looked for again.
DEVICES: Final = """
UNWIND $rows AS row
MATCH (m:Model {tenant_id: row.tenant_id, id: row.model})
MERGE (c:Client {tenant_id: row.tenant_id, id: row.client})
MERGE (d:Device {tenant_id: row.tenant_id, id: row.id})
WITH m, c, d WHERE d.model IS NULL
SET d.model = m.id
MERGE (d)-[:OWNED_BY]->(c)
MERGE (d)-[:IS_A]->(m)
"""

UNLINK: Final[dict[str, LiteralString]] = {
    "client": """
UNWIND $rows AS row
MATCH (n:Client {tenant_id: row.tenant_id, id: row.id})-[r:MERGED_INTO]->() DELETE r
""",
    "appeal": """
UNWIND $rows AS row
MATCH (n:Appeal {tenant_id: row.tenant_id, id: row.id})-[r:OF_CLIENT|ABOUT|ON]->() DELETE r
""",
    "repair": """
UNWIND $rows AS row
MATCH (n:Repair {tenant_id: row.tenant_id, id: row.id})-[r:OF_CLIENT|OF_MODEL|ON|OF_APPEAL|USED]->() DELETE r
""",
    "price": """
UNWIND $rows AS row
MATCH (n:Price {tenant_id: row.tenant_id, id: row.id})-[r:PRICES]->() DELETE r
""",
}

# (entity, edge) -> text. Targets that have rows of their own may come later: they start as bare ids. `done` tells
# whether every target was there.
LINK: Final[dict[tuple[str, str], LiteralString]] = {
    ("client", "MERGED_INTO"): """
UNWIND $rows AS row
MATCH (n:Client {tenant_id: row.tenant_id, id: row.id})
MERGE (x:Client {tenant_id: row.tenant_id, id: row.target})
MERGE (n)-[:MERGED_INTO]->(x) RETURN count(*) AS done
""",
    ("appeal", "OF_CLIENT"): """
UNWIND $rows AS row
MATCH (n:Appeal {tenant_id: row.tenant_id, id: row.id})
MERGE (x:Client {tenant_id: row.tenant_id, id: row.target})
MERGE (n)-[:OF_CLIENT]->(x) RETURN count(*) AS done
""",
    ("appeal", "ABOUT"): """
UNWIND $rows AS row
MATCH (n:Appeal {tenant_id: row.tenant_id, id: row.id})
MATCH (x:Model {tenant_id: row.tenant_id, id: row.target})
MERGE (n)-[:ABOUT]->(x) RETURN count(*) AS done
""",
    ("appeal", "ON"): """
UNWIND $rows AS row
MATCH (n:Appeal {tenant_id: row.tenant_id, id: row.id})
MATCH (x:Device {tenant_id: row.tenant_id, id: row.target})
MERGE (n)-[:ON]->(x) RETURN count(*) AS done
""",
    ("repair", "OF_CLIENT"): """
UNWIND $rows AS row
MATCH (n:Repair {tenant_id: row.tenant_id, id: row.id})
MERGE (x:Client {tenant_id: row.tenant_id, id: row.target})
MERGE (n)-[:OF_CLIENT]->(x) RETURN count(*) AS done
""",
    ("repair", "OF_MODEL"): """
UNWIND $rows AS row
MATCH (n:Repair {tenant_id: row.tenant_id, id: row.id})
MATCH (x:Model {tenant_id: row.tenant_id, id: row.target})
MERGE (n)-[:OF_MODEL]->(x) RETURN count(*) AS done
""",
    ("repair", "ON"): """
UNWIND $rows AS row
MATCH (n:Repair {tenant_id: row.tenant_id, id: row.id})
MATCH (x:Device {tenant_id: row.tenant_id, id: row.target})
MERGE (n)-[:ON]->(x) RETURN count(*) AS done
""",
    ("repair", "OF_APPEAL"): """
UNWIND $rows AS row
MATCH (n:Repair {tenant_id: row.tenant_id, id: row.id})
MERGE (x:Appeal {tenant_id: row.tenant_id, id: row.target})
MERGE (n)-[:OF_APPEAL]->(x) RETURN count(*) AS done
""",
    ("repair", "USED"): """
UNWIND $rows AS row
MATCH (n:Repair {tenant_id: row.tenant_id, id: row.id})
MATCH (x:Part {tenant_id: row.tenant_id, id: row.target})
MERGE (n)-[:USED]->(x) RETURN count(*) AS done
""",
    ("price", "PRICES"): """
UNWIND $rows AS row
MATCH (n:Price {tenant_id: row.tenant_id, id: row.id})
MATCH (x:Part {tenant_id: row.tenant_id, id: row.target})
MERGE (n)-[:PRICES]->(x) RETURN count(*) AS done
""",
}

ERASE: Final[dict[str, LiteralString]] = {
    "client": """
UNWIND $rows AS row MATCH (n:Client {tenant_id: row.tenant_id, id: row.id})
OPTIONAL MATCH (d:Device)-[:OWNED_BY]->(n) DETACH DELETE d, n
""",
    "appeal": """
UNWIND $rows AS row MATCH (n:Appeal {tenant_id: row.tenant_id, id: row.id}) DETACH DELETE n
""",
    "repair": """
UNWIND $rows AS row MATCH (n:Repair {tenant_id: row.tenant_id, id: row.id}) DETACH DELETE n
""",
    "price": """
UNWIND $rows AS row MATCH (n:Price {tenant_id: row.tenant_id, id: row.id}) DETACH DELETE n
""",
}

# Makes the version guard give way to whatever is read next; edges that point here stay.
RESET: Final[dict[str, LiteralString]] = {
    "client": """
UNWIND $rows AS row MATCH (n:Client {tenant_id: row.tenant_id, id: row.id}) SET n.version = -1
""",
    "appeal": """
UNWIND $rows AS row MATCH (n:Appeal {tenant_id: row.tenant_id, id: row.id}) SET n.version = -1
""",
    "repair": """
UNWIND $rows AS row MATCH (n:Repair {tenant_id: row.tenant_id, id: row.id}) SET n.version = -1
""",
    "price": """
UNWIND $rows AS row MATCH (n:Price {tenant_id: row.tenant_id, id: row.id}) SET n.version = -1
""",
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
# `id > ''` lets Neo4j seek the tenant's nodes in the composite index, which it does not for the tenant alone.
PRUNE: Final[tuple[LiteralString, ...]] = (
    "MATCH (n:Device {tenant_id: $tenant_id}) WHERE n.id > '' AND NOT (n)<-[:ON]-() DETACH DELETE n",
    "MATCH (n:Part {tenant_id: $tenant_id}) WHERE n.id > '' AND NOT (n)<-[:USED|PRICES]-() DETACH DELETE n",
    """MATCH (n:Model {tenant_id: $tenant_id})
WHERE n.id > '' AND NOT (n)<-[:ABOUT|OF_MODEL]-() AND NOT (n)<-[:IS_A]-() AND NOT (n)<-[:FITS]-() DETACH DELETE n""",
    "MATCH (n:Brand {tenant_id: $tenant_id}) WHERE n.id > '' AND NOT (n)<-[:OF_BRAND]-() DETACH DELETE n",
)
