"""What is written down of an outcome in the folder of its files, for people and pages."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from vidgo_async._core.errors import (
    NotSentError,
    SessionClosedError,
    SubmissionUnknownError,
    TaskTimeoutError,
    VidgoError,
)
from vidgo_async._core.models import Request, Task, UploadedFile
from vidgo_async._generation.outcome import Outcome
from vidgo_async.requests import PreparedRequest, Source

VERSION = 1
"""Of the format: a field may be added without another number."""
MAX_SOURCE = 80
"""Characters of a `data:` URL that are kept."""
_NOTHING_HAPPENED = (NotSentError, SessionClosedError, TaskTimeoutError)
"""Errors that tell nothing of a request for which no task is known."""


def new_run() -> str:
    """Return a text that names a batch; later ones compare greater."""
    return datetime.now(UTC).isoformat()


def seconds_since_submit(ended: Task) -> float | None:
    """Return how long a task took that was just seen to end; None where its age is not known."""
    if ended.submitted_at is None:
        return None
    return (datetime.now(UTC) - ended.submitted_at).total_seconds()


def outcome_record(
    outcome: Outcome, name_of: Callable[[Path], str], *, run: str, seconds: float | None
) -> dict[str, Any] | None:
    """Return an outcome as an object of JSON; None where there is nothing to tell.

    Args:
        outcome: What became of a request.
        name_of: Names a file.
        run: What names its batch.
        seconds: How long its task took; None where that is not known.
    """
    state = state_of(outcome.error, outcome.task)
    if state is None:
        return None
    task, error = outcome.task, outcome.error
    bought_at = None if task is None else task.submitted_at
    return {
        "version": VERSION,
        "run": run,
        "number": outcome.index + 1,
        "model": outcome.request.model,
        "input": _plain_input(outcome.request),
        "state": state,
        "task_id": None if task is None else task.task_id,
        "credits": None if task is None else task.credits,
        "seconds": None if seconds is None else round(seconds, 1),
        "submitted_at": None if bought_at is None else bought_at.isoformat(),
        "ended_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": [name_of(path) for path in outcome.paths],
        "error": None if error is None else str(error),
        "error_type": None if error is None else type(error).__name__,
    }


def state_of(error: VidgoError | None, task: Task | None) -> str | None:
    """Return the state of an outcome in one word: what it means for the user's money.

    Returns:
        `saved`; `failed`, which cost nothing; `unsaved`, which is paid for and to be collected;
        `unknown`, which may be paid for; None where nothing was bought or refused.
    """
    if error is None:
        return "saved"
    if isinstance(error, SubmissionUnknownError):
        return "unknown"
    if task is not None and not task.failed:
        return "unsaved"
    return None if task is None and isinstance(error, _NOTHING_HAPPENED) else "failed"


def _plain_input(request: Request) -> Any:
    prepared = PreparedRequest(request)
    return prepared.input_with(map(_text_of, prepared.sources))


def _text_of(source: Source) -> str:
    match source:
        case UploadedFile():
            return source.file_url
        case os.PathLike():
            return str(cast("os.PathLike[str]", source))
        case _:
            return source if len(source) <= MAX_SOURCE else f"{source[:MAX_SOURCE]}…"
