"""Statements of outcomes: what becomes of episodes with time, and what they come to."""

from __future__ import annotations

from typing import Final

DURABLE: Final = """
UPDATE episode e SET durable_at = e.ended_at + $2::interval FROM (
  SELECT episode_id FROM episode WHERE tenant_id = $1 AND outcome IS NOT NULL AND durable_at IS NULL
    AND ended_at <= $3 ORDER BY ended_at LIMIT $4 FOR UPDATE SKIP LOCKED
) d WHERE e.tenant_id = $1 AND e.episode_id = d.episode_id RETURNING e.episode_id
"""
# Left alone while it was still being talked about: the client did not come back, or had been left to the people.
ABANDONED: Final = """
UPDATE episode e SET ended_at = $3, outcome = CASE WHEN e.handed_at IS NULL THEN 'abandoned' ELSE 'handed_over' END FROM (
  SELECT o.episode_id FROM episode o
  JOIN appeal a ON a.tenant_id = o.tenant_id AND a.appeal_id = o.appeal_id AND a.episode_id = o.episode_id
  WHERE o.tenant_id = $1 AND o.ended_at IS NULL AND o.started_at <= $2 AND a.touched_at <= $2 AND a.closed_at IS NULL
    AND a.status IN ('new', 'collecting', 'quoted')
  ORDER BY o.started_at LIMIT $4 FOR UPDATE OF o SKIP LOCKED
) d WHERE e.tenant_id = $1 AND e.episode_id = d.episode_id RETURNING e.episode_id
"""
NEXT: Final = """
SELECT least(
  (SELECT min(ended_at) + $2::interval FROM episode
   WHERE tenant_id = $1 AND outcome IS NOT NULL AND durable_at IS NULL AND ended_at > $4),
  (SELECT min(a.touched_at) + $3::interval FROM episode o
   JOIN appeal a ON a.tenant_id = o.tenant_id AND a.appeal_id = o.appeal_id AND a.episode_id = o.episode_id
   WHERE o.tenant_id = $1 AND o.ended_at IS NULL AND a.closed_at IS NULL AND a.status IN ('new', 'collecting', 'quoted')
     AND o.started_at <= $5)
) AS at
"""
# One row a tenant, spread over a day, so that a thousand tenants are not looked after in one moment.
WATCH: Final = """
INSERT INTO due_work (tenant_id, work_id, bucket, kind, dedupe_key, payload, due_at, created_at)
SELECT t.tenant_id, t.tenant_id, t.bucket, $2, 'all', '{}'::jsonb,
       $1::timestamptz + make_interval(mins => 60 + t.bucket * 20), $1
FROM tenant t WHERE t.state = 'active' AND NOT EXISTS (
  SELECT 1 FROM due_work w WHERE w.tenant_id = t.tenant_id AND w.kind = $2 AND w.dedupe_key = 'all')
ON CONFLICT DO NOTHING
"""
COUNTS: Final = """
SELECT coalesce(outcome, CASE WHEN taken_back_at IS NOT NULL THEN 'taken_back' ELSE 'open' END) AS outcome, count(*) AS n,
       count(durable_at) AS durable, sum(cost_microrub)::bigint AS cost, sum(turns)::bigint AS turns
FROM episode WHERE tenant_id = $1 AND started_at >= $2 AND started_at < $3 GROUP BY 1 ORDER BY 2 DESC, 1
"""
ANSWERS: Final = """
SELECT first_answer_by AS who, count(*) AS n,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM first_answer_at - started_at)) AS p50,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM first_answer_at - started_at)) AS p95
FROM episode WHERE tenant_id = $1 AND started_at >= $2 AND started_at < $3 AND first_answer_at IS NOT NULL
GROUP BY 1 ORDER BY 2 DESC, 1
"""
REASONS: Final = """
SELECT reason, count(*) AS n FROM episode e CROSS JOIN LATERAL unnest(e.reasons) AS reason
WHERE e.tenant_id = $1 AND e.started_at >= $2 AND e.started_at < $3 GROUP BY 1 ORDER BY 2 DESC, 1
"""
