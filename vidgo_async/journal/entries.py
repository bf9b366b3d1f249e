"""One request in a journal, and how far it is.

certain refusal, or cancelled before it was sent
┌───────────────────────────┐
▼                           │
planned ──durable, then POST─▶ sending ──answer──▶ bought ──▶ ended ──▶ saved
▲                           │                    ▲
│ forget                    │ its sender died,   │ late answer, adopt
└───────────────────────── unknown ◀─────────────┘
(or an unclear answer)
"""

from datetime import datetime
from enum import StrEnum
from pathlib import Path

import attrs

from vidgo_async._core.errors import VidgoError
from vidgo_async._core.models import Request, Task


class EntryState(StrEnum):
    """How far a request is."""

    PLANNED = "planned"
    """Nothing was bought for it; the next run sends it."""
    SENDING = "sending"
    """It is being sent; where its process died meanwhile, the next run makes it `unknown`."""
    REFUSED = "refused"
    """In a queue, which has no next run: nothing was bought for it, and `BatchQueue.retry` sends it."""
    UNKNOWN = "unknown"
    """A task may exist; it is never sent again by itself: see `Journal.adopt` and `forget`."""
    BOUGHT = "bought"
    """Its task has not been seen to end."""
    ENDED = "ended"
    """Its task finished or failed."""
    SAVED = "saved"
    """Its files were saved too."""


@attrs.frozen(kw_only=True)
class Entry:
    """One request in a journal or a queue, as it was when it was read."""

    id: int
    """Its number there, in the order in which requests were first read."""
    batch: str | None = None
    """In a queue: its batch."""
    request: Request
    """What is generated."""
    state: EntryState
    """How far it is."""
    task: Task | None
    """The task that was bought, as last written down; None before that."""
    error: VidgoError | None
    """Why it was refused, is unknown or failed; None otherwise."""
    paths: tuple[Path, ...]
    """Its files, where they were saved."""
    changed_at: datetime
    """When its state changed last (aware, UTC, local clock)."""
