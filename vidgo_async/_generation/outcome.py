"""One request of a batch: a `Pending`, and what became of it, a `Success` or a `Failure`."""

from pathlib import Path

import attrs

from vidgo_async._core.errors import VidgoError
from vidgo_async._core.models import Request, Task


@attrs.frozen
class Pending:
    """A request that was read by a batch, and whose outcome was not yielded yet."""

    index: int
    """The request's place in the batch, from 0."""
    request: Request
    """The request itself."""
    task: Task | None
    """The last known state; None before the submit was answered."""


@attrs.frozen
class _Outcome:
    """What both kinds of outcome have."""

    index: int
    """The request's place in the batch, from 0."""
    request: Request
    """The request itself."""


@attrs.frozen
class Success(_Outcome):
    """The outcome of a request whose task finished, and whose files were saved if asked for.

    Attributes:
        index: The request's place in the batch, from 0.
        request: The request itself.
        task: The finished task.
        error: Always None.
        paths: The files as they were saved, in the order of `task.files`, where `download_to` was
            given.
    """

    task: Task
    """The finished task."""
    # A field rather than a property: type checkers narrow an `Outcome` by fields only.
    error: None = attrs.field(default=None, init=False)
    """Always None."""
    paths: tuple[Path, ...] = attrs.field(default=(), kw_only=True)
    """The files as they were saved, in the order of `task.files`, where `download_to` was given."""

    @property
    def ok(self) -> bool:
        """True."""
        return True


@attrs.frozen
class Failure(_Outcome):
    """The outcome of a request that has no finished task, or whose files could not be saved.

    Attributes:
        index: The request's place in the batch, from 0.
        request: The request itself.
        task: The last known state; None where no task was bought, or none is known of.
        error: Why there is no finished task, or why its files are not there.
        paths: The files that were saved all the same.
    """

    task: Task | None
    """The last known state; None where no task was bought, or none is known of."""
    error: VidgoError
    """Why there is no finished task, or why its files are not there."""
    paths: tuple[Path, ...] = attrs.field(default=(), kw_only=True)
    """The files that were saved all the same."""

    @property
    def ok(self) -> bool:
        """False."""
        return False


Outcome = Success | Failure
"""What became of one request of a batch. `if outcome.error is None` tells type checkers too that
`outcome.task` is a `Task`."""
