"""Batches that many machines run: a queue on PostgreSQL, by procrastinate.

    async with BatchQueue("postgresql://db.internal/videos") as queue:
        await queue.add("foxes", requests)                   # anywhere

    async with BatchQueue(url) as queue, VidgoSession() as vidgo:
        await queue.work(vidgo, max_in_flight=200)           # on each host

Needs `pip install 'vidgo_async[queue]'`.

- `queue`: what users hold
- `worker`: takes jobs, and gives those of dead workers to the living
- `jobs`: one job for each request, by procrastinate
- `runner`: one entry, run to its end: at least once in, at most once out
- `rows`: what is written down of it
- `ledger`: the entries of batches
- `senders`: who is alive
- `statements`, `schema`: the tables, and all SQL
- `database`: connections, and what to do while there is none
"""

try:
    import procrastinate as _procrastinate
    import psycopg as _psycopg
except ImportError as _error:
    _msg = f"vidgo_async.queue needs its extra: pip install 'vidgo_async[queue]' ({_error})"
    raise ImportError(_msg) from _error

from vidgo_async.queue.queue import BatchQueue

del _procrastinate, _psycopg

__all__ = ["BatchQueue"]
