"""Batches that outlive their process: what was bought is written down before and after.

    async for outcome in vidgo.generate_many(requests, journal="foxes.vidgo", download_to="videos"):
        ...

After a crash the same lines again: what was bought is not bought again.

- `journal`: what users hold
- `entries`: one request in it, and its states
- `ledger`: its rows, claimed by runs
- `rows`: one of them, as a run writes it
- `keys`: what is the same request
- `records`: values as JSON
- `origin`: for which server and account it is
- `store`: SQLite in a thread of its own
"""

from vidgo_async.journal.entries import Entry, EntryState
from vidgo_async.journal.journal import Journal

__all__ = ["Entry", "EntryState", "Journal"]
