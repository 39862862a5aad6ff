"""Statements of merging two clients and of taking a merge back (PROTOCOL C6)."""

from __future__ import annotations

from typing import Final

FIND_BY_NUMBER: Final = "SELECT client_id FROM appeal WHERE tenant_id = $1 AND number = $2"
FIND: Final = "SELECT client_id, merged_into FROM client WHERE tenant_id = $1 AND client_id = $2"
# Lock order of the whole system: dialog, client_work, appeal, client; each in key order (docs/adr/0001).
LOCK_DIALOGS: Final = """
SELECT d.dialog_id FROM dialog d JOIN identity i ON i.tenant_id = d.tenant_id AND i.identity_id = d.identity_id
WHERE d.tenant_id = $1 AND i.client_id = ANY($2::uuid[]) ORDER BY d.dialog_id FOR UPDATE OF d
"""
LOCK_WORK: Final = """
SELECT client_id, due_at, lease_until FROM client_work
WHERE tenant_id = $1 AND client_id = ANY($2::uuid[]) ORDER BY client_id FOR UPDATE
"""
LOCK_APPEALS: Final = """
SELECT appeal_id, client_id, number, dialog_id, status, control, closed_at, brand, model, known, opened_at FROM appeal
WHERE tenant_id = $1 AND client_id = ANY($2::uuid[]) ORDER BY appeal_id FOR UPDATE
"""
LOCK_CLIENTS: Final = """
SELECT client_id, display_name, locale, do_not_contact, blocked, vip, merged_into, version, created_at FROM client
WHERE tenant_id = $1 AND client_id = ANY($2::uuid[]) ORDER BY client_id FOR UPDATE
"""
IDENTITIES: Final = """
SELECT i.identity_id, i.client_id, i.channel_id, ch.kind, i.display_name, i.username,
       (SELECT count(*) FROM dialog d WHERE d.tenant_id = i.tenant_id AND d.identity_id = i.identity_id) AS dialogs
FROM identity i JOIN channel ch ON ch.tenant_id = i.tenant_id AND ch.channel_id = i.channel_id
WHERE i.tenant_id = $1 AND i.client_id = ANY($2::uuid[]) ORDER BY i.identity_id
"""
PHONES: Final = """
SELECT client_id, phone, verified, source, created_at FROM client_phone
WHERE tenant_id = $1 AND client_id = ANY($2::uuid[]) ORDER BY phone
"""
INTENTS: Final = """
SELECT intent_id, client_id FROM outgoing_intent
WHERE tenant_id = $1 AND client_id = ANY($2::uuid[]) AND due_at IS NOT NULL ORDER BY intent_id FOR UPDATE
"""
REPAIRS: Final = """
SELECT repair_id, client_id FROM repair_record
WHERE tenant_id = $1 AND client_id = ANY($2::uuid[]) ORDER BY repair_id FOR UPDATE
"""
FOLLOWERS: Final = """
SELECT client_id, merged_into FROM client
WHERE tenant_id = $1 AND merged_into = ANY($2::uuid[]) ORDER BY client_id FOR UPDATE
"""
SENDING: Final = """
SELECT count(*) FROM outgoing o JOIN dialog d ON d.tenant_id = o.tenant_id AND d.dialog_id = o.dialog_id
JOIN identity i ON i.tenant_id = d.tenant_id AND i.identity_id = d.identity_id
WHERE o.tenant_id = $1 AND i.client_id = ANY($2::uuid[]) AND o.state IN ('pending', 'sending')
"""

MOVE_IDENTITIES: Final = """
UPDATE identity SET client_id = $3 WHERE tenant_id = $1 AND identity_id = ANY($2::uuid[]) AND client_id = $4
"""
MOVE_APPEALS: Final = """
UPDATE appeal a SET client_id = $3, dialog_id = m.dialog_id, version = a.version + 1
FROM unnest($2::uuid[], $5::uuid[]) AS m(appeal_id, dialog_id)
WHERE a.tenant_id = $1 AND a.appeal_id = m.appeal_id AND a.client_id = $4 RETURNING a.appeal_id, a.version
"""
MOVE_INTENTS: Final = """
UPDATE outgoing_intent SET client_id = $3 WHERE tenant_id = $1 AND intent_id = ANY($2::uuid[]) AND client_id = $4
"""
MOVE_REPAIRS: Final = """
UPDATE repair_record SET client_id = $3, version = version + 1
WHERE tenant_id = $1 AND repair_id = ANY($2::uuid[]) AND client_id = $4 RETURNING repair_id, version
"""
ADD_PHONE: Final = """
INSERT INTO client_phone (tenant_id, client_id, phone, verified, source, created_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, client_id, phone) DO UPDATE SET verified = client_phone.verified OR excluded.verified
"""
DROP_PHONES: Final = """
DELETE FROM client_phone WHERE tenant_id = $1 AND client_id = $2 AND phone = ANY($3::text[])
"""
SET_VERIFIED: Final = """
UPDATE client_phone SET verified = false WHERE tenant_id = $1 AND client_id = $2 AND phone = ANY($3::text[])
"""
REDIRECT: Final = """
UPDATE client SET merged_into = $3, version = version + 1 WHERE tenant_id = $1 AND client_id = ANY($2::uuid[])
  AND ($4::uuid IS NULL OR merged_into = $4)
RETURNING client_id, version
"""
CHANGE: Final = """
UPDATE client SET display_name = $3, do_not_contact = $4, blocked = $5, vip = $6, version = version + 1
WHERE tenant_id = $1 AND client_id = $2 RETURNING version
"""
MARK_VIP: Final = """
UPDATE client SET vip = $3, version = version + 1
WHERE tenant_id = $1 AND client_id = $2 AND merged_into IS NULL AND vip <> $3 RETURNING version
"""
VIPS: Final = """
SELECT c.client_id, c.display_name,
       (SELECT max(a.number) FROM appeal a WHERE a.tenant_id = c.tenant_id AND a.client_id = c.client_id) AS number
FROM client c WHERE c.tenant_id = $1 AND c.vip AND c.merged_into IS NULL ORDER BY c.display_name, c.client_id LIMIT $2
"""
NOTICE: Final = "UPDATE dialog SET version = version + 1 WHERE tenant_id = $1 AND dialog_id = ANY($2::uuid[])"
# Due is the least over the dialogs a client has now. The leases stay: a running turn finds out when it commits.
DUE_AGAIN: Final = """
UPDATE client_work w SET due_at = n.due_at FROM (
  SELECT c.client_id, min(d.due_at) AS due_at FROM unnest($2::uuid[]) AS c(client_id)
  LEFT JOIN identity i ON i.tenant_id = $1 AND i.client_id = c.client_id
  LEFT JOIN dialog d ON d.tenant_id = i.tenant_id AND d.identity_id = i.identity_id
  GROUP BY c.client_id
) n WHERE w.tenant_id = $1 AND w.client_id = n.client_id
"""
RECORD: Final = """
INSERT INTO client_merge (tenant_id, merge_id, survivor_id, duplicate_id, reason, moved, merged_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
LOCK_MERGE: Final = """
SELECT merge_id, survivor_id, duplicate_id, reason, moved, merged_at, undone_at FROM client_merge
WHERE tenant_id = $1 AND merge_id = $2 FOR UPDATE
"""
LAST_OF: Final = """
SELECT merge_id FROM client_merge WHERE tenant_id = $1 AND duplicate_id = $2 AND undone_at IS NULL
ORDER BY merged_at DESC, merge_id DESC LIMIT 1
"""
# A later merge of the survivor moved on what this one had brought: that one has to be taken back first.
LATER: Final = """
SELECT merge_id FROM client_merge WHERE tenant_id = $1 AND duplicate_id = $2 AND undone_at IS NULL LIMIT 1
"""
UNDONE: Final = "UPDATE client_merge SET undone_at = $3 WHERE tenant_id = $1 AND merge_id = $2"
# What began after the merge in a chat that goes back never was the survivor's: it follows its chat.
LATER_APPEALS: Final = """
SELECT a.appeal_id, a.dialog_id FROM appeal a JOIN dialog d ON d.tenant_id = a.tenant_id AND d.dialog_id = a.dialog_id
WHERE a.tenant_id = $1 AND a.client_id = $2 AND d.identity_id = ANY($3::uuid[]) AND a.opened_at >= $4
  AND NOT a.appeal_id = ANY($5::uuid[]) ORDER BY a.appeal_id
"""
MERGES: Final = """
SELECT m.merge_id, m.survivor_id, s.display_name AS survivor_name, m.duplicate_id, d.display_name AS duplicate_name,
       m.reason, m.merged_at, m.undone_at, m.moved
FROM client_merge m
JOIN client s ON s.tenant_id = m.tenant_id AND s.client_id = m.survivor_id
JOIN client d ON d.tenant_id = m.tenant_id AND d.client_id = m.duplicate_id
WHERE m.tenant_id = $1 AND ($3::uuid IS NULL OR m.survivor_id = $3 OR m.duplicate_id = $3)
ORDER BY m.merged_at DESC, m.merge_id DESC LIMIT $2
"""

DECISION: Final = """
INSERT INTO decision (tenant_id, decision_id, client_id, action, reason, inputs, versions, created_at)
VALUES ($1, $2, $3, $4, $5, $6, '{"rule": "clients-1"}'::jsonb, $7)
"""

# Twins: only clients that share something are read at all.
SHARED_PHONES: Final = """
SELECT DISTINCT p.client_id FROM client_phone p
JOIN client c ON c.tenant_id = p.tenant_id AND c.client_id = p.client_id AND c.merged_into IS NULL
WHERE p.tenant_id = $1 AND ($2::uuid IS NULL OR p.phone IN (
    SELECT o.phone FROM client_phone o WHERE o.tenant_id = $1 AND o.client_id = $2))
  AND EXISTS (SELECT 1 FROM client_phone x JOIN client y ON y.tenant_id = x.tenant_id AND y.client_id = x.client_id
              WHERE x.tenant_id = $1 AND x.phone = p.phone AND x.client_id <> p.client_id AND y.merged_into IS NULL)
LIMIT 2000
"""
RECENT: Final = """
SELECT DISTINCT a.client_id FROM appeal a
JOIN client c ON c.tenant_id = a.tenant_id AND c.client_id = a.client_id AND c.merged_into IS NULL
WHERE a.tenant_id = $1 AND a.opened_at >= $2 AND a.model IS NOT NULL AND EXISTS (
  SELECT 1 FROM appeal o WHERE o.tenant_id = $1 AND o.brand = a.brand AND o.model = a.model AND o.client_id <> a.client_id
    AND o.opened_at >= $2)
LIMIT 2000
"""
PROFILES: Final = """
SELECT c.client_id, c.created_at, c.display_name,
  ARRAY(SELECT p.phone FROM client_phone p WHERE p.tenant_id = c.tenant_id AND p.client_id = c.client_id) AS phones,
  ARRAY(SELECT p.phone FROM client_phone p WHERE p.tenant_id = c.tenant_id AND p.client_id = c.client_id AND p.verified)
    AS verified,
  ARRAY(SELECT i.channel_id FROM identity i WHERE i.tenant_id = c.tenant_id AND i.client_id = c.client_id) AS channels
FROM client c WHERE c.tenant_id = $1 AND c.client_id = ANY($2::uuid[]) AND c.merged_into IS NULL
"""
APPEALS_OF: Final = """
SELECT * FROM appeal WHERE tenant_id = $1 AND client_id = ANY($2::uuid[]) ORDER BY touched_at DESC
"""
NUMBERS_OF: Final = """
SELECT client_id, max(number) AS number FROM appeal WHERE tenant_id = $1 AND client_id = ANY($2::uuid[]) GROUP BY client_id
"""
