"""Statements of handovers that nobody took."""

from __future__ import annotations

from typing import Final

STATE: Final = """
SELECT a.appeal_id, a.number, a.client_id, a.dialog_id, a.control, a.control_until, a.closed_at, a.handover,
       c.locale, c.display_name
FROM appeal a JOIN client c ON c.tenant_id = a.tenant_id AND c.client_id = a.client_id
WHERE a.tenant_id = $1 AND a.appeal_id = $2
"""
# Still in human hands by the bot's own handover: whoever takes it or answers sets `control_until`.
RETURN: Final = """
UPDATE appeal SET control = 'bot', version = version + 1
WHERE tenant_id = $1 AND appeal_id = $2 AND control = 'human' AND control_until IS NULL AND closed_at IS NULL
RETURNING client_id, version
"""
LOCK: Final = """
SELECT client_id, version FROM appeal WHERE tenant_id = $1 AND appeal_id = $2 AND control = 'human'
  AND control_until IS NULL AND closed_at IS NULL FOR UPDATE
"""
NOTICE: Final = "UPDATE dialog SET version = version + 1 WHERE tenant_id = $1 AND dialog_id = $2"
INTENT: Final = """
INSERT INTO outgoing_intent (tenant_id, intent_id, bucket, client_id, purpose, content, cause, dedupe_key, state, due_at,
                             created_at)
VALUES ($1, $2, $3, $4, 'service', $5, $6, $7, 'pending', $8, $8) ON CONFLICT (tenant_id, dedupe_key) DO NOTHING
"""
DECISION: Final = """
INSERT INTO decision (tenant_id, decision_id, client_id, dialog_id, appeal_id, action, reason, inputs, versions, created_at)
VALUES ($1, $2, $3, $4, $5, $6, 'nobody_took', $7, '{"rule": "untaken-1"}'::jsonb, $8)
"""
