"""Statements of drafts that wait for an operator."""

from __future__ import annotations

from typing import Final

LIST: Final = """
SELECT s.suggestion_id, s.created_at, s.drafts, s.effect, s.state, a.number, c.display_name, ch.kind AS channel,
       d.version, heard.text AS asked,
       EXISTS (SELECT 1 FROM message m WHERE m.tenant_id = s.tenant_id AND m.dialog_id = s.dialog_id AND m.seq > t.to_seq
               AND m.direction = 'in' AND m.kind <> 'reaction' AND m.deleted_at IS NULL) AS heard_more,
       EXISTS (SELECT 1 FROM message m WHERE m.tenant_id = s.tenant_id AND m.dialog_id = s.dialog_id AND m.seq > t.to_seq
               AND m.author = 'operator') AS answered
FROM suggestion s
JOIN turn t ON t.tenant_id = s.tenant_id AND t.turn_id = s.turn_id
JOIN dialog d ON d.tenant_id = s.tenant_id AND d.dialog_id = s.dialog_id
JOIN channel ch ON ch.tenant_id = d.tenant_id AND ch.channel_id = d.channel_id
JOIN identity i ON i.tenant_id = d.tenant_id AND i.identity_id = d.identity_id
JOIN client c ON c.tenant_id = i.tenant_id AND c.client_id = i.client_id
LEFT JOIN appeal a ON a.tenant_id = s.tenant_id AND a.appeal_id = s.appeal_id
LEFT JOIN LATERAL (
  SELECT m.text FROM message m WHERE m.tenant_id = s.tenant_id AND m.dialog_id = s.dialog_id AND m.direction = 'in'
    AND m.seq <= t.to_seq AND m.kind <> 'reaction' ORDER BY m.seq DESC LIMIT 1
) heard ON true
WHERE s.tenant_id = $1 AND s.state = 'open' AND ($3::bigint IS NULL OR a.number = $3)
ORDER BY s.created_at, s.suggestion_id LIMIT $2
"""
FIND: Final = """
SELECT s.suggestion_id, s.dialog_id FROM suggestion s
LEFT JOIN appeal a ON a.tenant_id = s.tenant_id AND a.appeal_id = s.appeal_id
WHERE s.tenant_id = $1 AND (s.suggestion_id = $2 OR (a.number = $3 AND s.state = 'open'))
ORDER BY s.suggestion_id DESC LIMIT 1
"""
LOCK: Final = """
SELECT s.suggestion_id, s.state, s.decided_at, s.drafts, s.effect, s.appeal_id, s.turn_id, t.to_seq, t.from_seq,
       a.control, a.closed_at
FROM suggestion s JOIN turn t ON t.tenant_id = s.tenant_id AND t.turn_id = s.turn_id
LEFT JOIN appeal a ON a.tenant_id = s.tenant_id AND a.appeal_id = s.appeal_id
WHERE s.tenant_id = $1 AND s.suggestion_id = $2 FOR UPDATE OF s
"""
# What happened in the chat since the draft was made; what it answers may have been deleted.
SINCE: Final = """
SELECT bool_or(m.seq > $3 AND m.direction = 'in' AND m.kind <> 'reaction' AND m.deleted_at IS NULL) AS heard,
       bool_or(m.seq > $3 AND m.author = 'operator' AND m.state <> 'cancelled') AS answered,
       bool_or(m.seq <= $3 AND m.direction = 'in' AND m.deleted_at IS NULL) AS asked
FROM message m WHERE m.tenant_id = $1 AND m.dialog_id = $2 AND m.seq > $4
"""
DECIDE: Final = """
UPDATE suggestion SET state = $3, decided_at = $4, edited_text = $5, note = $6
WHERE tenant_id = $1 AND suggestion_id = $2
"""
NEXT_PART: Final = """
SELECT coalesce(max(part) + 1, 0) FROM outgoing
WHERE tenant_id = $1 AND dialog_id = $2 AND covered_seq = $3 AND author = 'bot'
"""
OUTGOING: Final = """
INSERT INTO outgoing (tenant_id, outgoing_id, bucket, dialog_id, channel_id, seq, turn_id, covered_seq, part, author,
                      state, payload, message_id, due_at, expires_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'bot', 'pending', $10, $11, $12, $13, $12)
"""
MESSAGE: Final = """
INSERT INTO message (tenant_id, message_id, dialog_id, identity_id, seq, direction, author, kind, text, content, state,
                     appeal_id, outgoing_id, received_at)
VALUES ($1, $2, $3, $4, $5, 'out', 'bot', 'message', $6, $7, 'pending', $8, $9, $10)
"""
SPOKEN: Final = """
UPDATE dialog SET last_seq = last_seq + $3, last_out = last_out + $3,
  answered_seq = CASE WHEN due_at IS NULL THEN last_seq + $3 ELSE answered_seq END
WHERE tenant_id = $1 AND dialog_id = $2
"""
LOCK_APPEAL: Final = """
SELECT appeal_id, client_id, episode_id, status, version, closed_at FROM appeal
WHERE tenant_id = $1 AND appeal_id = $2 FOR UPDATE
"""
QUOTED: Final = """
UPDATE appeal SET status = $3, quoted_low = $4, quoted_high = $5, touched_at = $6, version = version + 1
WHERE tenant_id = $1 AND appeal_id = $2 RETURNING version
"""
ASSISTED: Final = """
UPDATE episode SET human_at = coalesce(human_at, $3), first_answer_at = coalesce(first_answer_at, $3),
  first_answer_by = coalesce(first_answer_by, 'draft') WHERE tenant_id = $1 AND episode_id = $2
"""
RECORD: Final = """
INSERT INTO decision (tenant_id, decision_id, client_id, dialog_id, appeal_id, action, reason, inputs, versions, created_at)
VALUES ($1, $2, $3, $4, $5, $6, 'operator', $7, '{"rule": "suggestions-1"}'::jsonb, $8)
"""
