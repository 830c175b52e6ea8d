"""The SQL of sending in order; `9999-01-01Z` is `NEVER`, when a row is due that has not had its turn."""

from .statements import CLAIMED

ARRIVED = """
    SELECT w.endpoint_id, d.stream_seq, d.order_key, d.order_group
    FROM unnest($1::uuid[], $2::bigint[]) AS w(endpoint_id, above) CROSS JOIN LATERAL (
        SELECT stream_seq, order_key, order_group FROM webhooks.due
        WHERE endpoint_id = w.endpoint_id AND order_key IS NOT NULL AND stream_seq > w.above
        ORDER BY stream_seq LIMIT $3
    ) d
    ORDER BY w.endpoint_id, d.stream_seq
"""
"""Rows of ordered endpoints from above a place in the stream, at most so many each."""

KEYS = """
    SELECT w.endpoint_id, k.order_key, k.stream_seq, k.next_attempt_at = '9999-01-01Z' AND k.blocked_at IS NULL AS waits
    FROM unnest($1::uuid[], $2::text[]) AS w(endpoint_id, above) CROSS JOIN LATERAL (
        WITH RECURSIVE each AS (
            (SELECT order_key, stream_seq, next_attempt_at, blocked_at FROM webhooks.due
             WHERE endpoint_id = w.endpoint_id AND order_key IS NOT NULL AND order_key > w.above
             ORDER BY order_key, stream_seq LIMIT 1)
            UNION ALL
            SELECT n.* FROM each e CROSS JOIN LATERAL (
                SELECT order_key, stream_seq, next_attempt_at, blocked_at FROM webhooks.due
                WHERE endpoint_id = w.endpoint_id AND order_key IS NOT NULL AND order_key > e.order_key
                ORDER BY order_key, stream_seq LIMIT 1
            ) n
        )
        SELECT * FROM each LIMIT $3
    ) k
    ORDER BY w.endpoint_id, k.order_key
"""
"""The first row of each key above one, at most so many keys of an endpoint; walks from one key to the next in the index."""

TURN = (
    """
    WITH want AS (
        SELECT * FROM unnest($1::uuid[], $2::boolean[], $3::text[]) AS w(endpoint_id, grouped, key)
    ), head AS (
        SELECT d.* FROM want w CROSS JOIN LATERAL (
            SELECT * FROM webhooks.due
            WHERE NOT w.grouped AND endpoint_id = w.endpoint_id AND order_key BETWEEN w.key AND w.key
            ORDER BY order_key, stream_seq LIMIT 1
        ) d
        UNION ALL
        SELECT d.* FROM want w CROSS JOIN LATERAL (
            SELECT * FROM webhooks.due
            WHERE w.grouped AND endpoint_id = w.endpoint_id AND order_group BETWEEN w.key AND w.key
            ORDER BY order_group, stream_seq LIMIT 1
        ) d
    ), turn AS MATERIALIZED (
        SELECT d.delivery_id FROM webhooks.due d
        WHERE d.delivery_id = ANY (ARRAY(
            SELECT h.delivery_id FROM head h
            WHERE h.stream_seq <= $4 AND h.next_attempt_at = '9999-01-01Z' AND h.blocked_at IS NULL
                AND h.stream_seq = (
                    SELECT e.stream_seq FROM webhooks.due e
                    WHERE e.endpoint_id = h.endpoint_id AND e.order_key BETWEEN h.order_key AND h.order_key
                    ORDER BY e.order_key, e.stream_seq LIMIT 1)
                AND (h.order_group IS NULL OR h.stream_seq = (
                    SELECT e.stream_seq FROM webhooks.due e
                    WHERE e.endpoint_id = h.endpoint_id AND e.order_group BETWEEN h.order_group AND h.order_group
                    ORDER BY e.order_group, e.stream_seq LIMIT 1))
        )) AND d.next_attempt_at = '9999-01-01Z' AND d.blocked_at IS NULL
        FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE webhooks.due d SET next_attempt_at = $5, lease_until = $6, claim_no = d.claim_no + 1
        FROM turn WHERE d.delivery_id = turn.delivery_id
        RETURNING d.*
    )
"""  # noqa: S608 - constants
    + CLAIMED
)
"""Claims the first rows of keys and groups, where it is their turn: no earlier row has their key, none their group, and every
earlier message is a row, for they are at or below the floor ($4). Whoever asks, and however often, a row has its turn once.

A key is `BETWEEN` itself and itself so that only the index that begins with it has the order that is asked for: in another one
the hundred thousand rows of one key could be walked along for all the others.
"""

LET_GO = """
    WITH loose AS MATERIALIZED (
        SELECT delivery_id, blocked_at IS NOT NULL AND next_attempt_at = '9999-01-01Z' AS over FROM webhooks.due
        WHERE order_key IS NOT NULL AND endpoint_id IN (
            SELECT each FROM unnest($1::uuid[]) each WHERE NOT EXISTS (
                SELECT FROM webhooks.endpoints WHERE id = each AND deleted_at IS NULL AND ordering <> 'none'
            )
        )
        LIMIT $3 FOR UPDATE SKIP LOCKED
    ), over AS (
        DELETE FROM webhooks.due d USING loose WHERE loose.over AND d.delivery_id = loose.delivery_id
    )
    UPDATE webhooks.due d
    SET order_key = NULL, order_group = NULL, blocked_at = NULL,
        next_attempt_at = CASE d.next_attempt_at WHEN '9999-01-01Z' THEN $2 ELSE d.next_attempt_at END,
        resume_at = CASE WHEN d.blocked_at IS NOT NULL THEN NULL WHEN d.resume_at = '9999-01-01Z' THEN $2 ELSE d.resume_at END
    FROM loose WHERE NOT loose.over AND d.delivery_id = loose.delivery_id
"""
"""Rows of endpoints that are not ordered any more, whatever the asker remembers, wait for nothing; what only blocked the others has been given up. One of these
that is tried again by hand at the moment has that attempt, and no other.
"""

UNBLOCK = """
    DELETE FROM webhooks.due WHERE delivery_id IN (
        SELECT delivery_id FROM webhooks.due
        WHERE endpoint_id IN (SELECT id FROM webhooks.endpoints WHERE id = ANY($1) AND after_last_try <> 'block')
            AND order_key IS NOT NULL AND attempts > 0 AND blocked_at IS NOT NULL AND next_attempt_at = '9999-01-01Z'
        LIMIT $2 FOR UPDATE SKIP LOCKED
    )
    RETURNING endpoint_id, order_key, order_group
"""
"""Where nothing is to block any more, what did so is skipped; one that is tried again by hand, when that has failed."""

LAST = "SELECT max(stream_seq) FROM webhooks.due WHERE endpoint_id = $1 AND order_key IS NOT NULL"

RENUMBER = """
    UPDATE webhooks.due SET stream_seq = stream_seq - (1::bigint << 62) + $3
    WHERE endpoint_id = $1 AND order_key IS NOT NULL AND stream_seq > $2
"""
"""Rows from above the end of the stream came with one that is no more: before all that comes with this one, and after those
($3, which grows) that were from before already."""
