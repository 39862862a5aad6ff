"""Statements behind an explanation: find the turn, then what it read, knew, decided and said."""

from __future__ import annotations

from typing import Final

# $1 = NULL means: whichever tenant has this id (ids are unique over all tenants).
TURN: Final = "SELECT tenant_id, turn_id FROM turn WHERE ($1::uuid IS NULL OR tenant_id = $1) AND turn_id = $2"
OF_OUTGOING: Final = """
SELECT o.tenant_id, o.turn_id, o.outgoing_id, o.author FROM outgoing o
WHERE ($1::uuid IS NULL OR o.tenant_id = $1) AND (o.outgoing_id = $2 OR o.message_id = $2)
"""
MESSAGE: Final = """
SELECT m.tenant_id, m.dialog_id, m.seq, m.author, m.direction FROM message m
WHERE ($1::uuid IS NULL OR m.tenant_id = $1) AND m.message_id = $2
"""
COVERING: Final = """
SELECT turn_id FROM turn WHERE tenant_id = $1 AND dialog_id = $2 AND from_seq < $3 AND to_seq >= $3
ORDER BY (state = 'superseded'), to_seq, started_at DESC LIMIT 1
"""
# By its decisions: a turn over several devices is filed under the last of them.
LAST_OF_APPEAL: Final = """
SELECT d.turn_id FROM appeal a
JOIN identity i ON i.tenant_id = a.tenant_id AND i.client_id = a.client_id
JOIN dialog g ON g.tenant_id = i.tenant_id AND g.identity_id = i.identity_id
JOIN decision d ON d.tenant_id = g.tenant_id AND d.dialog_id = g.dialog_id AND d.appeal_id = a.appeal_id
WHERE a.tenant_id = $1 AND a.number = $2 AND d.turn_id IS NOT NULL ORDER BY d.decision_id DESC LIMIT 1
"""
HEAD: Final = """
SELECT t.turn_id, t.state, t.from_seq, t.to_seq, t.started_at, t.finished_at, t.timings, t.dialog_id, t.client_id,
       c.display_name, ch.kind AS channel, n.name AS tenant_name, n.timezone,
       (SELECT count(*) FROM turn s WHERE s.tenant_id = t.tenant_id AND s.dialog_id = t.dialog_id
          AND s.state = 'superseded' AND s.from_seq = t.from_seq AND s.turn_id <> t.turn_id) AS superseded
FROM turn t
JOIN tenant n ON n.tenant_id = t.tenant_id
JOIN client c ON c.tenant_id = t.tenant_id AND c.client_id = t.client_id
JOIN dialog d ON d.tenant_id = t.tenant_id AND d.dialog_id = t.dialog_id
JOIN channel ch ON ch.tenant_id = d.tenant_id AND ch.channel_id = d.channel_id
WHERE t.tenant_id = $1 AND t.turn_id = $2
"""
HEARD: Final = """
SELECT message_id, seq, kind, text, content, revision, received_at FROM message
WHERE tenant_id = $1 AND dialog_id = $2 AND direction = 'in' AND seq > $3 AND seq <= $4 ORDER BY seq
"""
# The words a fact came from; offsets count characters of the message as it was read.
FACTS: Final = """
SELECT f.field, f.value, f.confidence, f.method, f.source, f.appeal_id, f.message_id, m.text, f.span_start, f.span_end
FROM fact f LEFT JOIN message m ON m.tenant_id = f.tenant_id AND m.message_id = f.message_id
WHERE f.tenant_id = $1 AND f.turn_id = $2 ORDER BY f.fact_id
"""
DECISIONS: Final = """
SELECT d.decision_id, d.action, d.reason, d.inputs, d.alternatives, d.versions, d.cost_microrub, a.number AS appeal,
       a.status AS appeal_status, a.control AS appeal_control
FROM decision d LEFT JOIN appeal a ON a.tenant_id = d.tenant_id AND a.appeal_id = d.appeal_id
WHERE d.tenant_id = $1 AND d.turn_id = $2 ORDER BY d.decision_id
"""
REPLIES: Final = """
SELECT o.outgoing_id, o.message_id, o.part, o.state, o.error_code, o.attempts, o.created_at, o.sending_at, o.finished_at,
       o.payload, m.state AS message_state, m.external_id
FROM outgoing o LEFT JOIN message m ON m.tenant_id = o.tenant_id AND m.message_id = o.message_id
WHERE o.tenant_id = $1 AND o.turn_id = $2 ORDER BY o.part
"""
SUGGESTED: Final = "SELECT drafts, state FROM suggestion WHERE tenant_id = $1 AND turn_id = $2"
CALLS: Final = """
SELECT purpose, model, outcome, tokens_in, tokens_out, cost_microrub, latency_ms FROM llm_call
WHERE tenant_id = $1 AND turn_id = $2 ORDER BY call_id
"""
REPAIRS: Final = """
SELECT repair_id AS ref, brand, model, repair_types, total_amount AS total, labour_amount AS labour, closed_at AS at
FROM repair_record WHERE tenant_id = $1 AND repair_id = ANY($2::uuid[]) ORDER BY closed_at DESC
"""
PRICES: Final = """
SELECT price_item_id AS ref, brand, model, repair_type, part_name, part_price, labour_price, stock, priced_at AS at
FROM price_item WHERE tenant_id = $1 AND price_item_id = ANY($2::uuid[]) ORDER BY priced_at DESC
"""
