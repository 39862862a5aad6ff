"""Statements of a channel's life."""

from __future__ import annotations

from typing import Final

LIST: Final = """
SELECT tenant_id, channel_id, kind, account_ref, title, hook_key, settings, state, state_reason, gate_until, health,
       created_at,
       (SELECT count(*) FROM outgoing o WHERE o.tenant_id = c.tenant_id AND o.channel_id = c.channel_id
          AND o.state = 'pending') AS waiting
FROM channel c WHERE c.tenant_id = $1 AND c.state <> 'removed' AND ($2::uuid IS NULL OR c.channel_id = $2)
ORDER BY c.created_at, c.channel_id
"""
FIND: Final = """
SELECT channel_id FROM channel
WHERE tenant_id = $1 AND state <> 'removed' AND (channel_id::text = $2 OR kind = $2 OR account_ref = $2)
ORDER BY channel_id LIMIT 2
"""
BY_ACCOUNT: Final = """
SELECT channel_id FROM channel WHERE tenant_id = $1 AND kind = $2 AND account_ref = $3 AND state <> 'removed'
ORDER BY created_at LIMIT 1
"""
RENEW: Final = """
UPDATE channel SET secrets = $3, settings = $4, state = 'active', state_reason = NULL, gate_until = NULL,
  version = version + 1 WHERE tenant_id = $1 AND channel_id = $2
"""
SETTINGS: Final = """
UPDATE channel SET settings = settings || $3, version = version + 1 WHERE tenant_id = $1 AND channel_id = $2
"""
STATE: Final = """
UPDATE channel SET state = $3, state_reason = $4, version = version + 1 WHERE tenant_id = $1 AND channel_id = $2
"""
WIPE: Final = """
UPDATE channel SET secrets = ''::bytea, tokens = NULL, hook_key = $3, version = version + 1
WHERE tenant_id = $1 AND channel_id = $2 AND state = 'removed'
"""
DUE_NOW: Final = """
UPDATE outgoing SET due_at = $3 WHERE tenant_id = $1 AND channel_id = $2 AND state = 'pending' AND due_at > $3
  AND lease_until IS NULL
"""
SEALED: Final = """
SELECT tenant_id, channel_id, secrets, tokens FROM channel
WHERE ($1::uuid IS NULL OR tenant_id = $1) AND state <> 'removed' AND channel_id > $2 ORDER BY channel_id LIMIT 500
"""
RESEAL: Final = """
UPDATE channel SET secrets = $4 WHERE tenant_id = $1 AND channel_id = $2 AND secrets = $3 RETURNING channel_id
"""
RESEAL_TOKENS: Final = """
UPDATE channel SET tokens = $4 WHERE tenant_id = $1 AND channel_id = $2 AND tokens = $3 RETURNING channel_id
"""
