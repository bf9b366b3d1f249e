"""All SQL on entries. Each paid step is a compare-and-set: one row or nothing.

What settles an entry takes the next number of its batch, whose row it locks until the commit: so
numbers are in the order of commits, and who follows a batch misses none.
"""

from typing import LiteralString

OUTCOMES: LiteralString = "vidgo_outcome"
"""The channel that tells of outcomes, by their batches."""
HINTS: LiteralString = "vidgo_hint"
"""The channel that tells which tasks are said to have ended."""

COLUMNS: LiteralString = (
    "id, batch, place, state, request::text, task::text, error::text, paths::text, outcome, owner, "
    "claim, changed"
)

# --- Adding -----------------------------------------------------------------------------------

NEW_BATCH: LiteralString = "INSERT INTO batch (name) VALUES (%(batch)s) ON CONFLICT DO NOTHING"
LOCK_BATCH: LiteralString = "SELECT 1 FROM batch WHERE name = %(batch)s FOR NO KEY UPDATE"
ADD: LiteralString = """
WITH given AS (
    SELECT * FROM unnest(%(keys)s::text[], %(ordinals)s::int[], %(requests)s::text[])
    WITH ORDINALITY AS given (key, ordinal, request, n)
), new AS (
    SELECT * FROM given WHERE NOT EXISTS (
        SELECT FROM request AS known WHERE known.batch = %(batch)s
        AND known.key = given.key AND known.ordinal = given.ordinal
    )
), grown AS (
    UPDATE batch SET size = size + (SELECT count(*) FROM new) WHERE name = %(batch)s
    RETURNING size - (SELECT count(*) FROM new) AS before
)
INSERT INTO request (batch, place, key, ordinal, request)
SELECT %(batch)s, before + row_number() OVER (ORDER BY n) - 1, key, ordinal, request::json
FROM new, grown ORDER BY n
RETURNING id
"""

# --- Reading ----------------------------------------------------------------------------------

BATCH: LiteralString = "SELECT outcomes FROM batch WHERE name = %(batch)s"
BATCHES: LiteralString = "SELECT name FROM batch ORDER BY name"
COUNTS: LiteralString = """
SELECT batch, state, count(*) FROM request
WHERE %(batch)s::text IS NULL OR batch = %(batch)s GROUP BY batch, state ORDER BY batch, state
"""
ROW: LiteralString = f"SELECT {COLUMNS} FROM request WHERE id = %(id)s"
ENTRIES: LiteralString = f"""
SELECT {COLUMNS} FROM request
WHERE batch = %(batch)s AND (%(state)s::text IS NULL OR state = %(state)s) ORDER BY id
"""
OUTCOMES_PAGE: LiteralString = f"""
SELECT {COLUMNS} FROM request
WHERE batch = %(batch)s AND outcome > %(after)s ORDER BY outcome LIMIT 1000
"""
IS_OPEN: LiteralString = """
SELECT EXISTS (SELECT FROM request WHERE batch = %(batch)s AND outcome IS NULL)
"""
ANY_OPEN: LiteralString = "SELECT EXISTS (SELECT FROM request WHERE outcome IS NULL)"
NOTIFY: LiteralString = f"""
SELECT pg_notify('{HINTS}', task_id) FROM request
WHERE task_id = ANY(%(task_ids)s) AND state = 'bought' AND length(task_id) < 1000
"""

# --- Before and after the POST ----------------------------------------------------------------

SENDING: LiteralString = """
UPDATE request SET state = 'sending', owner = %(owner)s, claim = %(claim)s, error = NULL, changed = now()
WHERE id = %(id)s AND (state = 'planned' OR (state = 'sending' AND claim = %(claim)s))
RETURNING id
"""
# The second part: where the connection broke after the commit, it was this one that took it.
BOUGHT: LiteralString = """
UPDATE request SET state = 'bought', task_id = %(task_id)s, task = %(task)s, error = NULL, changed = now()
WHERE id = %(id)s AND state = 'sending' AND claim = %(claim)s
RETURNING id
"""
BOUGHT_LATE: LiteralString = """
UPDATE request SET state = 'bought', task_id = %(task_id)s, task = %(task)s, error = NULL,
    outcome = NULL, changed = now()
WHERE id = %(id)s AND (task_id IS NULL OR task_id <> %(task_id)s)
RETURNING id
"""
PLANNED: LiteralString = """
UPDATE request SET state = 'planned', error = %(error)s, changed = now()
WHERE id = %(id)s AND state = 'sending' AND claim = %(claim)s
"""

# --- Outcomes ---------------------------------------------------------------------------------


def _settling(assignments: LiteralString, condition: LiteralString) -> LiteralString:
    """Return what gives an entry its outcome; it returns a row if it did."""
    return f"""
WITH counted AS (
    UPDATE batch SET outcomes = outcomes + 1 WHERE name = %(batch)s RETURNING outcomes
), settled AS (
    UPDATE request SET {assignments}, outcome = counted.outcomes, changed = now() FROM counted
    WHERE id = %(id)s AND {condition} RETURNING id
)
SELECT pg_notify('{OUTCOMES}', %(batch)s) FROM settled
"""


_IS_MINE: LiteralString = "state = 'sending' AND claim = %(claim)s"
_IS_NEWS: LiteralString = "(outcome IS NULL OR error IS NOT NULL)"

REFUSED: LiteralString = _settling("state = 'refused', error = %(error)s", _IS_MINE)
UNKNOWN: LiteralString = _settling("state = 'unknown', error = %(error)s", _IS_MINE)
LOST: LiteralString = _settling(
    "state = 'unknown', error = %(error)s",
    _IS_MINE
    + """ AND NOT EXISTS (
    SELECT FROM sender WHERE sender.id = request.owner
    AND greatest(seen, pg_postmaster_start_time()) > now() - make_interval(secs => %(seconds)s))""",
)
"""Where its sender was not seen for so many seconds; none could be while the server was down."""
_HOLDS_IT: LiteralString = (
    "(task_id = %(task_id)s OR (task_id IS NULL AND claim IS NOT DISTINCT FROM %(claim)s))"
)
"""Another process may have given it another task meanwhile, whose end is not this one's."""

FAILED: LiteralString = _settling(
    "state = CASE state WHEN 'planned' THEN 'refused' ELSE state END, error = %(error)s",
    "outcome IS NULL AND state IN ('planned', 'bought', 'ended') AND " + _HOLDS_IT,
)
"""Where it cannot be done, other than by an answer to its POST."""
ENDED: LiteralString = f"""
UPDATE request SET state = 'ended', task_id = %(task_id)s, task = %(task)s, changed = now()
WHERE id = %(id)s AND state <> 'saved' AND {_HOLDS_IT} RETURNING id
"""
ENDED_FOR_GOOD: LiteralString = _settling(
    "state = 'ended', task_id = %(task_id)s, task = %(task)s, error = NULL",
    f"state <> 'saved' AND {_IS_NEWS} AND {_HOLDS_IT}",
)
SAVED: LiteralString = _settling(
    "state = 'saved', paths = %(paths)s, error = NULL", f"{_IS_NEWS} AND {_HOLDS_IT}"
)
SAVED_AGAIN: LiteralString = f"""
UPDATE request SET state = 'saved', paths = %(paths)s, changed = now()
WHERE id = %(id)s AND {_HOLDS_IT} RETURNING id
"""

# --- What the user decides --------------------------------------------------------------------

_IS_IT: LiteralString = "id = %(id)s AND batch = %(batch)s AND request::text = %(request)s"  # of another queue: perhaps not
_IS_UNSEEN: LiteralString = (
    "state = 'bought' AND position('\"status\":\"unknown\"' IN task::text) > 0"
)
"""The user told its task, which has not been seen to end."""
ADOPT: LiteralString = f"""
UPDATE request SET state = 'bought', task_id = %(task_id)s, task = %(task)s, error = NULL,
    outcome = NULL, changed = now()
WHERE {_IS_IT} AND (state = 'unknown' OR ({_IS_UNSEEN})) RETURNING id
"""
FORGET: LiteralString = f"""
UPDATE request SET state = 'planned', task_id = NULL, task = NULL, error = NULL, outcome = NULL,
    changed = now()
WHERE {_IS_IT} AND (state = 'unknown' OR ({_IS_UNSEEN} AND error IS NOT NULL)) RETURNING id
"""
RETRY: LiteralString = """
UPDATE request SET
    state = CASE WHEN has_failed THEN 'planned' ELSE request.state END,
    task_id = CASE WHEN has_failed THEN NULL ELSE request.task_id END,
    task = CASE WHEN has_failed THEN NULL ELSE request.task END,
    outcome = NULL, changed = now()
FROM (
    SELECT id, state = 'refused'
        OR (state = 'ended' AND position('"status":"failed"' IN task::text) > 0) AS has_failed
    FROM request WHERE batch = %(batch)s AND outcome IS NOT NULL AND state <> 'unknown'
    FOR UPDATE
) AS found
WHERE request.id = found.id AND (has_failed OR error IS NOT NULL)
RETURNING request.id
"""

# --- Who is there -----------------------------------------------------------------------------

SEEN: LiteralString = """
INSERT INTO sender (id, seen) VALUES (%(id)s, now()) ON CONFLICT (id) DO UPDATE SET seen = now()
"""
LEFT: LiteralString = "DELETE FROM sender WHERE id = %(id)s"
LONG_GONE: LiteralString = "DELETE FROM sender WHERE seen < now() - interval '1 day'"
IS_YOUNG: LiteralString = """
SELECT pg_postmaster_start_time() > now() - make_interval(secs => %(seconds)s)
"""
ORIGIN: LiteralString = "SELECT base_url, salt, account FROM origin"
NEW_ORIGIN: LiteralString = "INSERT INTO origin VALUES (%(base_url)s, %(salt)s, %(account)s)"
END_IF_IDLE: LiteralString = """
SELECT set_config('idle_in_transaction_session_timeout', %(milliseconds)s, true)
"""
TRY_LOCK: LiteralString = "SELECT pg_try_advisory_xact_lock(%(lock)s)"
NO_ORIGIN: LiteralString = "DELETE FROM origin"
LOCK_ORIGIN: LiteralString = "LOCK TABLE origin IN EXCLUSIVE MODE"
