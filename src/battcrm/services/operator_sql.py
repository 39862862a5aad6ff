"""Statements of the operator's side: the waiting list, a thread, speaking, closing."""

from __future__ import annotations

from typing import Final

# A handover waits from its moment; once an operator has spoken, from the client's first word after that.
LIST: Final = """
SELECT a.number, a.appeal_id, a.status, a.control, a.control_until, a.known, a.handover, c.display_name,
       ch.kind AS channel, word.text AS last_text, word.direction AS last_direction, word.author AS last_author,
       CASE WHEN spoke.at IS NULL OR asked.at > spoke.at THEN coalesce(asked.at, a.touched_at) ELSE heard.at END AS since
FROM appeal a
JOIN client c ON c.tenant_id = a.tenant_id AND c.client_id = a.client_id
JOIN dialog d ON d.tenant_id = a.tenant_id AND d.dialog_id = a.dialog_id
JOIN channel ch ON ch.tenant_id = d.tenant_id AND ch.channel_id = d.channel_id
LEFT JOIN LATERAL (
  SELECT max(x.created_at) AS at FROM decision x
  WHERE x.tenant_id = a.tenant_id AND x.dialog_id = a.dialog_id AND x.appeal_id = a.appeal_id AND x.action = 'operator'
) asked ON true
LEFT JOIN LATERAL (
  SELECT m.received_at AS at, m.seq FROM message m
  WHERE m.tenant_id = a.tenant_id AND m.dialog_id = a.dialog_id AND m.author = 'operator' ORDER BY m.seq DESC LIMIT 1
) spoke ON true
LEFT JOIN LATERAL (
  SELECT min(m.received_at) AS at FROM message m
  WHERE m.tenant_id = a.tenant_id AND m.dialog_id = a.dialog_id AND m.direction = 'in' AND m.seq > spoke.seq
) heard ON true
LEFT JOIN LATERAL (
  SELECT m.text, m.direction, m.author FROM message m
  WHERE m.tenant_id = a.tenant_id AND m.dialog_id = a.dialog_id AND m.kind <> 'reaction' AND m.deleted_at IS NULL
  ORDER BY m.seq DESC LIMIT 1
) word ON true
WHERE a.tenant_id = $1 AND a.control = 'human' AND a.closed_at IS NULL
ORDER BY since NULLS LAST, a.number LIMIT $2
"""
FIND: Final = """
SELECT a.appeal_id, a.number, a.dialog_id, a.client_id, a.episode_id, a.status, a.control, a.control_until, a.known,
       a.handover, a.quoted_low, a.quoted_high, a.opened_at, a.closed_at, c.display_name, ch.kind AS channel
FROM appeal a
JOIN client c ON c.tenant_id = a.tenant_id AND c.client_id = a.client_id
JOIN dialog d ON d.tenant_id = a.tenant_id AND d.dialog_id = a.dialog_id
JOIN channel ch ON ch.tenant_id = d.tenant_id AND ch.channel_id = d.channel_id
WHERE a.tenant_id = $1 AND a.number = $2
"""
THREAD: Final = """
SELECT * FROM (
  SELECT m.message_id, m.seq, m.direction, m.author, m.kind, m.text, m.content, m.state, m.received_at, m.deleted_at,
         a.number
  FROM message m LEFT JOIN appeal a ON a.tenant_id = m.tenant_id AND a.appeal_id = m.appeal_id
  WHERE m.tenant_id = $1 AND m.dialog_id = $2 ORDER BY m.seq DESC LIMIT $3
) newest ORDER BY seq
"""
OUTGOING: Final = """
INSERT INTO outgoing (tenant_id, outgoing_id, bucket, dialog_id, channel_id, seq, part, author, state, payload,
                      message_id, due_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, 0, 'operator', 'pending', $7, $8, $9, $9)
"""
MESSAGE: Final = """
INSERT INTO message (tenant_id, message_id, dialog_id, identity_id, seq, direction, author, kind, text, state, appeal_id,
                     outgoing_id, content, received_at)
VALUES ($1, $2, $3, $4, $5, 'out', 'operator', 'message', $6, 'pending', $7, $8, '{}'::jsonb, $9)
"""
# The operator has read what there was: nothing of it waits for the bot any more.
ANSWERED: Final = """
UPDATE dialog SET version = version + 1, last_seq = last_seq + 1, last_out = last_out + 1, answered_seq = last_seq + 1,
  due_at = NULL, first_unanswered_at = NULL
WHERE tenant_id = $1 AND dialog_id = $2
"""
NOTICE: Final = "UPDATE dialog SET version = version + 1 WHERE tenant_id = $1 AND dialog_id = $2"
LOCK_APPEAL: Final = """
SELECT status, control, closed_at FROM appeal WHERE tenant_id = $1 AND appeal_id = $2 FOR UPDATE
"""
CLOSE: Final = """
UPDATE appeal SET status = $3, control = 'bot', control_until = NULL, expecting = NULL, options = '{}', closed_at = $4,
  touched_at = $4, version = version + 1
WHERE tenant_id = $1 AND appeal_id = $2 RETURNING version
"""
