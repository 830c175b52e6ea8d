"""The hot path's SQL, set-based and written as SQL; times are passed in, so that one clock decides."""

WALKING = {"enable_bitmapscan": "off", "enable_seqscan": "off", "enable_sort": "off"}
"""Settings of the connections on which these statements run: each walks along an index, from the first row that is wanted on. What is
known of `due`, which fills and empties, is always out of date, and a plan that believes it gathers all that is due to find one row.
"""

KNOWN = """
    SELECT event_id, endpoint_id FROM webhooks.deliveries WHERE event_id = ANY($1)
    UNION ALL SELECT event_id, NULL FROM webhooks.erased_events WHERE event_id = ANY($1)
"""
"""What is on record of messages that came before; an event that was erased has a row without an endpoint."""

MESSAGES = """
    INSERT INTO webhooks.messages (event_id, workspace_id, type, resource_id, stream_seq, payload)
    SELECT r.* FROM unnest($1::webhooks.written_message[]) r
    WHERE NOT EXISTS (SELECT FROM webhooks.erasures e WHERE e.workspace_id = r.workspace_id OFFSET 0)
    ON CONFLICT DO NOTHING
"""
"""Here and below: of a workspace that is erased nothing is recorded any more, however late it comes. What comes late of an erased
event is recorded without content, and is not tried again. `OFFSET 0` has each row looked up in the index: left to choose,
PostgreSQL reads all that were ever erased, for every batch.
"""

_RECORD = """
    result AS (
        SELECT r.*, EXISTS (SELECT FROM webhooks.erased_events e WHERE e.event_id = r.event_id OFFSET 0) AS erased
        FROM unnest($1::webhooks.written_attempt[]) r
        WHERE NOT EXISTS (SELECT FROM webhooks.erasures e WHERE e.workspace_id = r.workspace_id OFFSET 0)
    ), recorded AS (
        INSERT INTO webhooks.deliveries AS d
            (event_id, endpoint_id, delivery_id, workspace_id, type, resource_id, status, recoverable, attempts,
             last_attempt_at, last_status_code, last_error)
        SELECT event_id, endpoint_id, delivery_id, workspace_id, type, resource_id,
               CASE WHEN erased AND status = 'pending' THEN 'cancelled' ELSE status END, recoverable AND NOT erased, 1,
               at, status_code, error
        FROM result
        ON CONFLICT (event_id, endpoint_id) DO UPDATE SET
            status = CASE WHEN d.status = 'delivered' THEN d.status ELSE excluded.status END,
            recoverable = d.status <> 'delivered' AND excluded.recoverable,
            attempts = d.attempts + 1,
            last_attempt_at = excluded.last_attempt_at,
            last_status_code = excluded.last_status_code,
            last_error = excluded.last_error
        RETURNING d.event_id, d.endpoint_id, d.delivery_id, d.attempts, d.status
    ), logged AS (
        INSERT INTO webhooks.attempts
            (event_id, endpoint_id, attempt_no, trigger, at, duration_ms, status_code, error, error_code,
             dns_ms, connect_ms, tls_ms, first_byte_ms, trace_id,
             request_headers, response_headers, response_body, response_truncated)
        SELECT event_id, endpoint_id, recorded.attempts, trigger, at, duration_ms, status_code, error, error_code,
               dns_ms, connect_ms, tls_ms, first_byte_ms, trace_id,
               CASE WHEN NOT erased THEN request_headers END, CASE WHEN NOT erased THEN response_headers END,
               CASE WHEN NOT erased THEN response_body END, response_truncated
        FROM recorded JOIN result USING (event_id, endpoint_id)
    ), settled AS (
        DELETE FROM webhooks.due
        WHERE (SELECT coalesce(bool_or(attempts > 1 AND status = 'delivered'), false) FROM recorded)
            AND delivery_id = ANY (ARRAY(SELECT delivery_id FROM recorded WHERE attempts > 1 AND status = 'delivered'))
    )
    SELECT count(*) FROM recorded
"""

RECORD = "WITH " + _RECORD
"""Deliveries and attempts of results; what an earlier attempt left due goes when the delivery is delivered."""

RECORD_WITH_MESSAGES = (
    """
    WITH arrived AS (
        INSERT INTO webhooks.messages (event_id, workspace_id, type, resource_id, stream_seq, payload)
        SELECT r.* FROM unnest($2::webhooks.written_message[]) r
        WHERE NOT EXISTS (SELECT FROM webhooks.erasures e WHERE e.workspace_id = r.workspace_id OFFSET 0)
        ON CONFLICT DO NOTHING
    ), """  # noqa: S608 - constants
    + _RECORD
)
"""The happy path's one statement: the messages too."""

PENDING = """
    INSERT INTO webhooks.deliveries
        (event_id, endpoint_id, delivery_id, workspace_id, type, resource_id, status, attempts)
    SELECT event_id, endpoint_id, delivery_id, workspace_id, type, resource_id,
           CASE WHEN EXISTS (SELECT FROM webhooks.erased_events e WHERE e.event_id = r.event_id OFFSET 0)
               THEN 'cancelled' ELSE 'pending' END, 0
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[])
        AS r(event_id, endpoint_id, delivery_id, workspace_id, type, resource_id)
    WHERE NOT EXISTS (SELECT FROM webhooks.erasures e WHERE e.workspace_id = r.workspace_id OFFSET 0)
    ON CONFLICT DO NOTHING
"""

SHELVE = """
    INSERT INTO webhooks.deliveries
        (event_id, endpoint_id, delivery_id, workspace_id, type, resource_id, status, attempts, place)
    SELECT event_id, endpoint_id, delivery_id, workspace_id, type, resource_id,
           CASE WHEN EXISTS (SELECT FROM webhooks.erased_events e WHERE e.event_id = r.event_id OFFSET 0)
               THEN 'cancelled' ELSE 'pending' END, 0, 0
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[])
        AS r(event_id, endpoint_id, delivery_id, workspace_id, type, resource_id)
    WHERE NOT EXISTS (SELECT FROM webhooks.erasures e WHERE e.workspace_id = r.workspace_id OFFSET 0)
    ON CONFLICT DO NOTHING
"""
"""As PENDING has it, for endpoints that are polled: nothing is due, and the place is given by a poll."""

DUE = """
    INSERT INTO webhooks.due
        (delivery_id, event_id, endpoint_id, stream_seq, next_attempt_at, lease_until, claim_no, attempts,
         order_key, order_group, due_since)
    SELECT r.* FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::timestamptz[], $6::timestamptz[],
                           $7::bigint[], $8::int[], $9::text[], $10::text[], $11::timestamptz[])
        AS r(delivery_id, event_id, endpoint_id, stream_seq, next_attempt_at, lease_until, claim_no, attempts,
             order_key, order_group, due_since)
    JOIN webhooks.deliveries d ON d.event_id = r.event_id AND d.endpoint_id = r.endpoint_id
    WHERE d.status = 'pending'
    ON CONFLICT DO NOTHING
"""
"""Only what is pending is due: not what is delivered already, nor what was cancelled because its event is erased."""

SETTLE_LOCK = """
    SELECT delivery_id, claim_no, attempts, trigger, resume_at, blocked_at, order_key FROM webhooks.due
    WHERE delivery_id = ANY($1) ORDER BY delivery_id FOR UPDATE
"""

DUE_DONE = "DELETE FROM webhooks.due WHERE delivery_id = ANY($1)"

DUE_AGAIN = """
    UPDATE webhooks.due d
    SET next_attempt_at = r.next_attempt_at, attempts = r.attempts, trigger = r.trigger, resume_at = r.resume_at,
        blocked_at = r.blocked_at, due_since = CASE WHEN r.next_attempt_at = '9999-01-01Z' THEN d.due_since END,
        lease_until = '-infinity'
    FROM unnest($1::uuid[], $2::timestamptz[], $3::int[], $4::text[], $5::timestamptz[], $6::timestamptz[])
        AS r(delivery_id, next_attempt_at, attempts, trigger, resume_at, blocked_at)
    WHERE d.delivery_id = r.delivery_id
"""

RELEASE = """
    UPDATE webhooks.due d
    SET next_attempt_at = r.next_attempt_at, due_since = coalesce(d.due_since, d.next_attempt_at), lease_until = '-infinity'
    FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[]) AS r(delivery_id, claim_no, next_attempt_at)
    WHERE d.delivery_id = r.delivery_id AND d.claim_no = r.claim_no
"""
"""It stays known since when it could not be sent."""

CANCEL = """
    INSERT INTO webhooks.deliveries AS d
        (event_id, endpoint_id, delivery_id, workspace_id, type, resource_id, status, attempts)
    SELECT event_id, endpoint_id, delivery_id, workspace_id, type, resource_id, 'cancelled', 0
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[])
        AS r(event_id, endpoint_id, delivery_id, workspace_id, type, resource_id)
    WHERE NOT EXISTS (SELECT FROM webhooks.erasures e WHERE e.workspace_id = r.workspace_id OFFSET 0)
    ON CONFLICT (event_id, endpoint_id) DO UPDATE SET status = 'cancelled' WHERE d.status = 'pending'
"""

CANCEL_ERASED = """
    WITH gone AS (
        DELETE FROM webhooks.due WHERE delivery_id = ANY($1) RETURNING event_id, endpoint_id
    )
    UPDATE webhooks.deliveries d SET status = 'cancelled'
    FROM gone WHERE d.event_id = gone.event_id AND d.endpoint_id = gone.endpoint_id AND d.status = 'pending'
"""

WITH_DUE = """
    WITH RECURSIVE first AS (
        (SELECT endpoint_id, next_attempt_at FROM webhooks.due WHERE attempts = 0
         ORDER BY endpoint_id, next_attempt_at LIMIT 1)
        UNION ALL
        SELECT d.* FROM first f CROSS JOIN LATERAL (
            SELECT endpoint_id, next_attempt_at FROM webhooks.due WHERE attempts = 0 AND endpoint_id > f.endpoint_id
            ORDER BY endpoint_id, next_attempt_at LIMIT 1
        ) d
    ), retry AS (
        (SELECT endpoint_id, next_attempt_at FROM webhooks.due WHERE attempts > 0 AND trigger <> 'replay'
         ORDER BY endpoint_id, next_attempt_at LIMIT 1)
        UNION ALL
        SELECT d.* FROM retry r CROSS JOIN LATERAL (
            SELECT endpoint_id, next_attempt_at FROM webhooks.due
            WHERE attempts > 0 AND trigger <> 'replay' AND endpoint_id > r.endpoint_id
            ORDER BY endpoint_id, next_attempt_at LIMIT 1
        ) d
    ), replay AS (
        (SELECT endpoint_id, next_attempt_at FROM webhooks.due WHERE trigger = 'replay'
         ORDER BY endpoint_id, next_attempt_at LIMIT 1)
        UNION ALL
        SELECT d.* FROM replay r CROSS JOIN LATERAL (
            SELECT endpoint_id, next_attempt_at FROM webhooks.due WHERE trigger = 'replay' AND endpoint_id > r.endpoint_id
            ORDER BY endpoint_id, next_attempt_at LIMIT 1
        ) d
    )
    SELECT endpoint_id, min(next_attempt_at) AS due_at, min(next_attempt_at) FILTER (WHERE behind) AS behind_since,
        NOT bool_and(behind) AS replays
    FROM (
        SELECT *, true AS behind FROM first UNION ALL SELECT *, true FROM retry UNION ALL SELECT *, false FROM replay
    ) each GROUP BY endpoint_id
"""
"""Every endpoint with due rows, and when its first is due; a row under way counts. Walks from one to the next in the indexes.

It is behind, since then, where something is due beside replays, which are few rows at a time, and wait for each other; `replays`
says whether there are any.
"""

CLAIMED = """
    SELECT c.delivery_id, c.event_id, c.endpoint_id, c.stream_seq, c.claim_no, c.lease_until, c.attempts, c.trigger,
           c.order_key, c.order_group, m.payload, m.erased_at
    FROM claimed c
    CROSS JOIN LATERAL (SELECT payload, erased_at FROM webhooks.messages WHERE event_id = c.event_id LIMIT 1) m
    ORDER BY c.attempts > 0, c.trigger = 'replay', c.next_attempt_at
"""
"""Ends a statement whose `claimed` are due rows: what is to be known to send them."""

CLAIM = (
    """
    WITH want AS (
        SELECT * FROM unnest($1::uuid[], $2::int[], $5::int[]) AS w(endpoint_id, slots, replays)
    ), first AS MATERIALIZED (
        SELECT w.endpoint_id, d.delivery_id FROM want w CROSS JOIN LATERAL (
            SELECT delivery_id FROM webhooks.due
            WHERE endpoint_id = w.endpoint_id AND attempts = 0 AND next_attempt_at <= $3 AND lease_until <= $3
            ORDER BY next_attempt_at LIMIT w.slots FOR UPDATE SKIP LOCKED
        ) d
    ), retry AS MATERIALIZED (
        SELECT w.endpoint_id, d.delivery_id FROM want w CROSS JOIN LATERAL (
            SELECT delivery_id FROM webhooks.due
            WHERE endpoint_id = w.endpoint_id AND attempts > 0 AND next_attempt_at <= $3 AND lease_until <= $3
                AND trigger <> 'replay'
            ORDER BY next_attempt_at LIMIT w.slots - (SELECT count(*) FROM first f WHERE f.endpoint_id = w.endpoint_id)
            FOR UPDATE SKIP LOCKED
        ) d
    ), replay AS MATERIALIZED (
        SELECT d.delivery_id FROM want w CROSS JOIN LATERAL (
            SELECT delivery_id FROM webhooks.due
            WHERE endpoint_id = w.endpoint_id AND trigger = 'replay' AND next_attempt_at <= $3 AND lease_until <= $3
            ORDER BY next_attempt_at LIMIT least(w.replays, w.slots
                - (SELECT count(*) FROM first f WHERE f.endpoint_id = w.endpoint_id)
                - (SELECT count(*) FROM retry r WHERE r.endpoint_id = w.endpoint_id)
            ) FOR UPDATE SKIP LOCKED
        ) d WHERE w.replays > 0
    ), claimed AS (
        UPDATE webhooks.due d SET lease_until = $4, claim_no = d.claim_no + 1
        FROM (
            SELECT delivery_id FROM first UNION ALL SELECT delivery_id FROM retry UNION ALL SELECT delivery_id FROM replay
        ) mine
        WHERE d.delivery_id = mine.delivery_id
        RETURNING d.*
    )
"""  # noqa: S608 - constants
    + CLAIMED
)
"""What endpoints are owed now, at most so many rows each: first tries, then retries, then so many of replays.

Endpoint by endpoint, because one global order would let a dead endpoint's backlog starve all others. The claim number
fences late results; a crash gives the rows back by itself when the lease ends.
"""

LEASE = """
    UPDATE webhooks.endpoint_state
    SET owner = $2, lease_until = $4, epoch = epoch + CASE WHEN owner = $2 THEN 0 ELSE 1 END
    WHERE endpoint_id = ANY($1) AND (owner = $2 OR lease_until <= $3)
    RETURNING endpoint_id, epoch
"""

GIVE_UP = """
    UPDATE webhooks.endpoint_state SET owner = NULL, lease_until = '-infinity' WHERE owner = $1
"""

HOLD = "SELECT FROM webhooks.endpoints WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE"
"""First of all, where endpoints are written: `endpoints/revisions.py` says why."""

REVISE = """
    WITH drawn AS (
        UPDATE webhooks.endpoint_revision SET revision = revision + 1 RETURNING revision
    )
    UPDATE webhooks.endpoints SET revision = drawn.revision FROM drawn WHERE id = ANY($1)
"""
"""Last of all, for those that were changed: from here to the commit no other write of an endpoint goes on."""

MANAGE = """
    UPDATE webhooks.endpoint_state SET managed = true WHERE endpoint_id = ANY($1) AND NOT managed RETURNING endpoint_id
"""

FREE = """
    UPDATE webhooks.endpoint_state s SET managed = false
    WHERE s.endpoint_id = ANY($1) AND s.managed AND s.owner = $2 AND s.open_until IS NULL
        AND NOT EXISTS (SELECT FROM webhooks.due d WHERE d.endpoint_id = s.endpoint_id AND d.trigger <> 'replay')
    RETURNING s.endpoint_id
"""

TRIP = """
    UPDATE webhooks.endpoint_state s
    SET managed = s.managed OR r.open_until IS NOT NULL,
        failures = r.failures, opens = r.opens, opened_at = r.opened_at, open_until = r.open_until
    FROM unnest($1::uuid[], $2::int[], $3::int[], $4::timestamptz[], $5::timestamptz[])
        AS r(endpoint_id, failures, opens, opened_at, open_until)
    WHERE s.endpoint_id = r.endpoint_id
    RETURNING s.endpoint_id
"""

RECOVER = """
    WITH again AS (
        UPDATE webhooks.deliveries d SET recoverable = false, status = 'pending'
        FROM unnest($1::uuid[], $2::timestamptz[]) AS r(endpoint_id, since)
        WHERE d.endpoint_id = r.endpoint_id AND d.recoverable AND d.last_attempt_at >= r.since
            AND NOT EXISTS (SELECT FROM webhooks.due u WHERE u.delivery_id = d.delivery_id)
        RETURNING d.event_id, d.endpoint_id, d.delivery_id
    ), due AS (
        INSERT INTO webhooks.due (delivery_id, event_id, endpoint_id, stream_seq, next_attempt_at, attempts, trigger)
        SELECT a.delivery_id, a.event_id, a.endpoint_id, m.stream_seq, $3, 1, 'recovery'
        FROM again a CROSS JOIN LATERAL (SELECT stream_seq FROM webhooks.messages WHERE event_id = a.event_id LIMIT 1) m
        ON CONFLICT DO NOTHING
    )
    UPDATE webhooks.endpoint_state s SET managed = true
    FROM (SELECT DISTINCT endpoint_id FROM again) a WHERE s.endpoint_id = a.endpoint_id
"""
"""What ran out of tries since then, and is not due for another reason, is due again, once: what fails in that round as well is not
recoverable any more.
"""

OFFER = """
    UPDATE webhooks.endpoint_state s SET missed_since = r.since
    FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[]) AS r(endpoint_id, since, first)
    WHERE s.endpoint_id = r.endpoint_id AND s.missed_since IS NULL AND EXISTS (
        SELECT FROM webhooks.deliveries d
        WHERE d.endpoint_id = r.endpoint_id AND d.event_id >= r.first AND d.status IN ('failed', 'expired') OFFSET 0
    )
"""
"""What an outage has cost is offered to be sent again: events since then that were given up. What has another round is pending by now."""

DISABLE = """
    WITH disabled AS (
        UPDATE webhooks.endpoints e
        SET active = false, disabled_at = r.at, disabled_reason = r.reason, updated_at = r.at
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[]) AS r(id, url, reason, at)
        WHERE e.id = r.id AND e.url = r.url AND e.active AND e.deleted_at IS NULL
        RETURNING e.id, r.at
    )
    UPDATE webhooks.endpoint_state s SET missed_since = coalesce(
        s.missed_since, s.failing_since, s.opened_at - $5::interval, d.at
    )
    FROM disabled d WHERE s.endpoint_id = d.id RETURNING s.endpoint_id
"""
"""Only while it is still the same URL: what another one said is no longer of interest. It has missed what came since nothing arrived
any more, as far as that is known: as `EndpointState.failing_for_certain` has it.
"""

UNREADABLE = """
    INSERT INTO webhooks.unreadable_messages (stream_seq, subject, payload, error)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::text[])
    ON CONFLICT DO NOTHING
"""
