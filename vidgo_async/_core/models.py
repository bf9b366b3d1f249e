"""The values of the API: requests as all wings see them, tasks, files, uploads, the balance.

Plain frozen values without behaviour: they hold no client, never change, compare by
value and pickle. `_api/wire.py` makes them from JSON; only `task_id` and `status` are needed
to make a `Task` by hand.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import attrs

UPLOAD_LIFETIME = timedelta(hours=72)
"""How long an uploaded file is kept (upload pages)."""
UNSEEN = "unknown"
"""The status of a task of which only the id is known: not the server's word."""


class Request(ABC):
    """What to generate: a `GenerationRequest` or a typed request such as `GrokImagine`."""

    __slots__ = ()

    @property
    @abstractmethod
    def model(self) -> str:
        """A model id."""

    @property
    @abstractmethod
    def input(self) -> Mapping[str, Any]:
        """The model's parameters."""


class TaskStatus(StrEnum):
    """The documented states of a task, to compare `Task.status` with.

    The API may add states without notice, so `Task.status` stays a plain string; a state
    that is not listed here means "not finished yet".
    """

    NOT_STARTED = "not_started"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


FINISHED = TaskStatus.FINISHED.value
_FAILED = TaskStatus.FAILED.value
DONE = (FINISHED, _FAILED)
"""The states of a task that has ended."""


def _aware(_: object, field: "attrs.Attribute[Any]", value: object) -> None:
    """Refuse what is not a time with a time zone: a validator of attrs."""
    if not isinstance(value, datetime):
        msg = f"{field.name} must be a datetime with a time zone, not {type(value).__name__}"
        raise TypeError(msg)
    if value.utcoffset() is None:
        msg = f"{field.name} must have a time zone, as datetime.now(UTC) has, not {value!r}"
        raise ValueError(msg)


@attrs.frozen
class MediaFile:
    """One file that a task produced."""

    file_url: str
    """Where to fetch it. Dies 24 hours after the task finished (status page)."""
    file_type: str | None = None
    """`"video"`, `"image"` or `"audio"` (status page); None where the server did not say."""
    task_id: str | None = None
    """The task that made it, so that an error about the file can name the task."""


def _in_order(files: Iterable[MediaFile]) -> tuple[MediaFile, ...]:
    return tuple(files)  # `tuple[MediaFile, ...]` as a converter takes five times as long


@attrs.frozen
class Task:
    """A generation task as it was when the server was last asked.

    Raises:
        TypeError: `submitted_at` is not a datetime.
        ValueError: `submitted_at` has no time zone.
    """

    task_id: str
    """The server's name for the task; opaque, of more than one form."""
    status: str
    """The server's own word; compare it with `TaskStatus`."""
    files: tuple[MediaFile, ...] = attrs.field(default=(), converter=_in_order)
    """What was made; empty unless the task finished. They may be fewer than were asked for: the
    credits of the others are given back."""
    progress: float | None = attrs.field(default=None, kw_only=True)
    """0 to 100 by the status page; often missing, and not always truthful."""
    credits: float | None = attrs.field(default=None, kw_only=True)
    """What the task cost, 0 when it failed; None where the server did not say."""
    created_time: datetime | None = attrs.field(default=None, kw_only=True)
    """The server's clock, without a zone (the zone is not documented)."""
    error_message: str | None = attrs.field(default=None, kw_only=True)
    """Why the task failed, in the server's free text."""
    model: str | None = attrs.field(default=None, kw_only=True)
    """The model id it was submitted with; None for a task known only by its id."""
    submitted_at: datetime | None = attrs.field(
        default=None, validator=attrs.validators.optional(_aware), kw_only=True
    )
    """When this machine submitted it (aware, UTC, local clock); None if it did not."""
    raw: dict[str, Any] | None = attrs.field(default=None, eq=False, repr=False, kw_only=True)
    """The task's JSON object as received, unknown fields included.

    Set on what a call answers; not kept for tasks in flight.
    """
    duration: float | None = attrs.field(default=None, kw_only=True)
    """Seconds of video that were asked for; None where the request did not say. Tasks of one
    model and duration take about as long, which `AdaptivePolling` learns."""

    @property
    def finished(self) -> bool:
        """Whether the task ended well, so that `files` can be fetched."""
        return self.status == FINISHED

    @property
    def failed(self) -> bool:
        """Whether the task ended without a result; its credits are given back."""
        return self.status == _FAILED

    @property
    def done(self) -> bool:
        """Whether the task ended, one way or the other."""
        return self.status in DONE


def task_of(task_or_id: Task | str) -> Task:
    """Make a task of a bare id; a task stays as it is."""
    return task_or_id if isinstance(task_or_id, Task) else Task(task_or_id, UNSEEN)


def as_in_flight(task: Task) -> Task:
    """Return a task to be polled whose submit was answered with its end already.

    Why it failed, or what it made, is only in the status response (submit page).
    """
    return attrs.evolve(task, status=UNSEEN, files=()) if task.done else task


def without_raw(task: Task) -> Task:
    """Return a task as it is kept in flight; `attrs.evolve` would take three times as long."""
    if task.raw is None:
        return task
    return Task(
        task.task_id,
        task.status,
        task.files,
        progress=task.progress,
        credits=task.credits,
        created_time=task.created_time,
        error_message=task.error_message,
        model=task.model,
        submitted_at=task.submitted_at,
        duration=task.duration,
    )


@attrs.frozen
class Balance:
    """What is left on the account (`GET /api/user/balance`)."""

    email: str | None
    """The account's address; None where the server did not give it."""
    credits: float
    """Credits left. Documented as an integer, but prices are fractional."""


@attrs.frozen
class UploadedFile:
    """A picture that was uploaded; give it to a request wherever a URL is meant."""

    file_url: str
    """Where models fetch it."""
    uploaded_at: datetime = attrs.field(validator=_aware)
    """When this machine sent it (aware, UTC, local clock)."""
    download_url: str | None = attrs.field(default=None, kw_only=True)
    """Where to download it; as this and all below, None where the server did not say."""
    file_id: str | None = attrs.field(default=None, kw_only=True)
    """The server's name for it."""
    file_name: str | None = attrs.field(default=None, kw_only=True)
    """The name under which it is kept."""
    original_name: str | None = attrs.field(default=None, kw_only=True)
    """The name that it came with."""
    file_size: int | None = attrs.field(default=None, kw_only=True)
    """Bytes."""
    mime_type: str | None = attrs.field(default=None, kw_only=True)
    """What it is, such as `image/png`."""
    upload_path: str | None = attrs.field(default=None, kw_only=True)
    """The folder in which it is kept."""
    raw: dict[str, Any] | None = attrs.field(default=None, eq=False, repr=False, kw_only=True)
    """The JSON object as received, unknown fields included."""

    @property
    def expires_at(self) -> datetime:
        """When it is deleted: 72 hours after the upload, by the local clock."""
        return self.uploaded_at + UPLOAD_LIFETIME

    @property
    def expired(self) -> bool:
        """Whether it is deleted by now, by the local clock."""
        return datetime.now(UTC) >= self.expires_at
