"""Statements of a correction: moving messages and facts between appeals, writing facts by hand."""

from __future__ import annotations

from typing import Final

# All dialogs of the client, for an appeal may have words in several; then its work row (docs/adr/0001).
LOCK_DIALOGS: Final = """
SELECT d.dialog_id, d.identity_id, d.answered_seq, d.last_seq FROM dialog d
JOIN identity i ON i.tenant_id = d.tenant_id AND i.identity_id = d.identity_id
WHERE d.tenant_id = $1 AND i.client_id = $2 ORDER BY d.dialog_id FOR UPDATE OF d
"""
LOCK_WORK: Final = "SELECT 1 FROM client_work WHERE tenant_id = $1 AND client_id = $2 FOR UPDATE"
LOCK_APPEALS: Final = """
SELECT appeal_id, number, client_id, dialog_id, episode_id, status, control, control_until, known, expecting, options,
       quoted_low, quoted_high, touched_at, closed_at, version
FROM appeal WHERE tenant_id = $1 AND number = ANY($2::bigint[]) ORDER BY appeal_id FOR UPDATE
"""
MESSAGES: Final = """
SELECT m.message_id, m.dialog_id, m.seq, m.direction, m.kind, m.appeal_id, m.received_at, a.number
FROM message m LEFT JOIN appeal a ON a.tenant_id = m.tenant_id AND a.appeal_id = m.appeal_id
WHERE m.tenant_id = $1 AND m.dialog_id = ANY($2::uuid[])
  AND (m.message_id = ANY($3::uuid[]) OR (m.dialog_id = $4 AND m.seq = ANY($5::bigint[])) OR ($6 AND m.appeal_id = $7))
ORDER BY m.received_at, m.seq
"""
# An edit is a row of its own about the same words: it goes where they go.
EDITS: Final = """
SELECT e.message_id FROM message m
JOIN message e ON e.tenant_id = m.tenant_id AND e.dialog_id = m.dialog_id AND e.external_id = m.external_id
  AND e.message_id <> m.message_id AND e.direction = 'in'
WHERE m.tenant_id = $1 AND m.message_id = ANY($2::uuid[]) AND m.direction = 'in' AND m.external_id IS NOT NULL
"""
# A turn that heard nothing but what moves: its answers and its facts go along.
TURNS: Final = """
SELECT t.turn_id, t.dialog_id, t.to_seq FROM turn t
WHERE t.tenant_id = $1 AND t.dialog_id = ANY($2::uuid[])
  AND EXISTS (SELECT 1 FROM message m WHERE m.tenant_id = $1 AND m.dialog_id = t.dialog_id AND m.direction = 'in'
              AND m.seq > t.from_seq AND m.seq <= t.to_seq AND m.message_id = ANY($3::uuid[]))
  AND NOT EXISTS (SELECT 1 FROM message m WHERE m.tenant_id = $1 AND m.dialog_id = t.dialog_id AND m.direction = 'in'
                  AND m.kind <> 'reaction' AND m.seq > t.from_seq AND m.seq <= t.to_seq
                  AND NOT m.message_id = ANY($3::uuid[]))
"""
REPLIES: Final = """
SELECT m.message_id FROM unnest($2::uuid[], $3::bigint[]) AS t(dialog_id, to_seq)
JOIN outgoing o ON o.tenant_id = $1 AND o.dialog_id = t.dialog_id AND o.covered_seq = t.to_seq AND o.author = 'bot'
JOIN message m ON m.tenant_id = $1 AND m.message_id = o.message_id AND m.appeal_id = $4
"""
MOVE_MESSAGES: Final = """
UPDATE message SET appeal_id = $3 WHERE tenant_id = $1 AND message_id = ANY($2::uuid[])
"""
# What a person set stays where it was set, unless nothing else stays there ($6).
MOVE_FACTS: Final = """
UPDATE fact SET appeal_id = $3 WHERE tenant_id = $1 AND appeal_id = $2 AND ($6 OR (method <> 'operator'
  AND (message_id = ANY($4::uuid[]) OR (message_id IS NULL AND turn_id = ANY($5::uuid[])))))
RETURNING fact_id
"""
FACTS: Final = """
SELECT fact_id, field, value, confidence, method, source, created_at FROM fact
WHERE tenant_id = $1 AND appeal_id = $2 AND superseded_at IS NULL ORDER BY created_at, fact_id
"""
SUPERSEDE: Final = """
UPDATE fact SET superseded_at = $4 WHERE tenant_id = $1 AND appeal_id = $2 AND field = ANY($3::text[])
  AND superseded_at IS NULL
"""
ADD_FACTS: Final = """
INSERT INTO fact (tenant_id, fact_id, appeal_id, field, value, confidence, method, source, created_at)
SELECT $1, fact_id, $2, field, value, 1.0, 'operator', 'operator', $3
FROM unnest($4::uuid[], $5::text[], $6::text[]) AS f(fact_id, field, value)
"""
LEFT: Final = """
SELECT count(*) AS said, max(received_at) AS last FROM message
WHERE tenant_id = $1 AND dialog_id = ANY($2::uuid[]) AND appeal_id = $3 AND direction = 'in' AND deleted_at IS NULL
"""
NUMBER: Final = """
INSERT INTO tenant_counter AS c (tenant_id, name, value) VALUES ($1, 'appeal', 1)
ON CONFLICT (tenant_id, name) DO UPDATE SET value = c.value + 1 RETURNING value
"""
NEW: Final = """
INSERT INTO appeal (tenant_id, appeal_id, client_id, dialog_id, episode_id, number, status, control, control_until,
                    opened_at, touched_at)
VALUES ($1, $2, $3, $4, $5, $6, 'new', $7, $8, $9, $10)
"""
NEW_EPISODE: Final = """
INSERT INTO episode (tenant_id, episode_id, appeal_id, started_as, started_at) VALUES ($1, $2, $3, 'corrected', $4)
"""
WRITE: Final = """
UPDATE appeal SET known = $3, appeal_type = $4, brand = $5, model = $6, device_class = $7, repair_types = $8,
  part_owner = $9, status = $10, expecting = $11, options = $12, quoted_low = $13, quoted_high = $14, touched_at = $15,
  closed_at = $16, parent_id = coalesce($17, parent_id), misunderstood = 0, version = version + 1
WHERE tenant_id = $1 AND appeal_id = $2 RETURNING version
"""
END_EPISODE: Final = """
UPDATE episode SET ended_at = $3, reasons = array_append(reasons, 'moved') WHERE tenant_id = $1 AND episode_id = $2
"""
# A draft that says what has been corrected is not said any more: what it answers is up for answering again.
OUTDATE: Final = """
WITH outdated AS (
  UPDATE suggestion s SET state = 'outdated', decided_at = $3 FROM turn t
  WHERE s.tenant_id = $1 AND s.appeal_id = ANY($2::uuid[]) AND s.state = 'open'
    AND t.tenant_id = s.tenant_id AND t.turn_id = s.turn_id
  RETURNING s.dialog_id, t.from_seq
)
SELECT dialog_id, min(from_seq) AS from_seq FROM outdated GROUP BY dialog_id
"""
DUE: Final = """
UPDATE dialog SET due_at = $4, first_unanswered_at = coalesce(first_unanswered_at, $4),
  answered_seq = least(answered_seq, $3) WHERE tenant_id = $1 AND dialog_id = $2
"""
DUE_WORK: Final = """
UPDATE client_work SET due_at = least(coalesce(due_at, $3), $3) WHERE tenant_id = $1 AND client_id = $2
"""
NOTICE: Final = "UPDATE dialog SET version = version + 1 WHERE tenant_id = $1 AND dialog_id = ANY($2::uuid[])"
RECORD: Final = """
INSERT INTO decision (tenant_id, decision_id, client_id, dialog_id, appeal_id, action, reason, inputs, versions, created_at)
VALUES ($1, $2, $3, $4, $5, 'correct', 'operator', $6, '{"rule": "correct-1"}'::jsonb, $7)
"""
