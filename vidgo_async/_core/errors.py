"""All errors, in one tree; each pickles and copies.

    VidgoError                      task_id, task (None where there is none)
    ├── TransportError              no usable answer: connect, TLS, reset, cut body
    │   └── TransportTimeoutError   also a TimeoutError
    ├── APIError                    an answer that says no: status, code, type, message, body
    │   ├── AuthenticationError         401
    │   ├── InsufficientCreditsError    402
    │   ├── PermissionDeniedError       403
    │   ├── NotFoundError               404
    │   ├── InvalidRequestError         400, 409, 413, 422
    │   │   └── ContentModerationError  by its type
    │   ├── RateLimitError              429: retry_after
    │   └── ServerError                 5xx, 408
    ├── ResponseError               an answer that cannot be read: problems, body
    ├── SubmissionUnknownError      a task may exist: request, status, body
    ├── SubmitErrorGroup            also an ExceptionGroup: accepted, failed
    ├── TaskFailedError             the task ended without a result
    ├── TaskTimeoutError            also a TimeoutError: pending
    ├── DownloadError               file
    ├── WebhookError                a callback that is refused: status
    ├── JournalError                a journal cannot be used, or not for this
    ├── NotSentError                the circuit breaker is open: nothing was bought
    └── SessionClosedError          also a RuntimeError

Wrong arguments are plain `ValueError` and `TypeError`, raised before anything is sent.
"""

import copy
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal, Self, cast

from vidgo_async._core.models import MediaFile, Request, Task


class VidgoError(Exception):
    """The base of all errors of this library.

    Its text and its `args` name the task. Both are plain text, since nothing else passes through
    the JSON result backends of task queues.

    Attributes:
        task: The last known state of the task concerned, or None.
    """

    def __init__(self, message: str, task: Task | None = None, task_id: str | None = None) -> None:
        super().__init__(message)
        self._message = message
        self.task = task
        self._task_id = task_id

    def _get_args(self) -> tuple[Any, ...]:
        return (str(self),)

    def _set_args(self, args: tuple[Any, ...]) -> None:
        self._message = str(args[0]) if args else ""

    # For type checkers it stays the attribute of all exceptions.
    args: tuple[Any, ...] = cast("Any", property(_get_args, _set_args, doc="The text."))

    @property
    def message(self) -> str:
        """What went wrong, and what to do where that is known."""
        return self._message

    @property
    def task_id(self) -> str | None:
        """The id of the task concerned, or None."""
        return self.task.task_id if self.task is not None else self._task_id

    @classmethod
    def wrapping(cls, other: BaseException, task: Task | None = None) -> "VidgoError":
        """Wrap a foreign exception."""
        error = VidgoError(f"{type(other).__name__}: {other}", task)
        error.__cause__ = other
        return error

    def about(self, task: Task) -> None:
        """Attach the task that this error is about."""
        self.task = task

    def own_copy(self, message: str | None = None) -> Self:
        """Return this error for one more receiver, perhaps in other words.

        Each receiver needs an object of its own: a shared one collects tracebacks.
        """
        copied = copy.copy(self)
        copied.__cause__ = self.__cause__
        if hasattr(self, "__notes__"):
            copied.__notes__ = list(self.__notes__)
        if message is not None:
            copied._message = message  # noqa: SLF001 - its own class
        return copied

    def without_task(self) -> Self:
        """Return this error for requests that have no part in the task it is about."""
        copied = self.own_copy()
        copied.__dict__.update(task=None, _task_id=None)
        return copied

    # OSError (under TimeoutError) would rebuild itself from args alone, and print an errno.
    def __reduce__(self) -> tuple[Any, ...]:
        return self._restore, (self.__dict__.copy(),)

    @classmethod
    def _restore(cls, state: dict[str, Any]) -> Self:
        """Rebuild a pickled error; of the class, so that a pickle holds its public name only."""
        error = cls.__new__(cls)
        error.__dict__.update(state)
        return error

    def __str__(self) -> str:
        text = self._text()
        if self.task_id is None or self.task_id in text:
            return text
        return f"task {self.task_id}: {text}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def _text(self) -> str:
        """Return the text, which may leave the task unnamed."""
        return self.message


class TransportError(VidgoError):
    """No usable answer came: no connection, TLS, a reset, a cut or oversized body.

    Attributes:
        sent: Whether the request may have reached the server.
        temporary: Whether another try may help; False for TLS errors.
        status: The HTTP status, where the answer broke off after it.
        body: What came of the body, where the answer broke off in it.
    """

    def __init__(
        self,
        message: str,
        sent: bool = True,
        temporary: bool = True,
        status: int | None = None,
        body: str | None = None,
    ) -> None:
        super().__init__(message)
        self.sent = sent
        self.temporary = temporary
        self.status = status
        self.body = body


class TransportTimeoutError(TransportError, TimeoutError):
    """No usable answer came in time."""


class APIError(VidgoError):
    """The server answered, and said no.

    Attributes:
        status: The HTTP status, or the error code where that came inside HTTP 200.
        code: The `code` in the body, or None.
        type: The machine-readable `error.type`, such as `rate_limit_error`, or None.
        body: The answer's text.
        retry_after: Seconds that the server asked to wait, or None.
        documented: Whether the body had one of the API's own error shapes; False for what
            a gateway in front of it says, such as an HTML page.
    """

    def __init__(
        self,
        message: str,
        status: int,
        *,
        code: int | None = None,
        type: str | None = None,  # noqa: A002 - the API's own word
        body: str = "",
        retry_after: float | None = None,
        documented: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.type = type
        self.body = body
        self.retry_after = retry_after
        self.documented = documented

    _hint: ClassVar[str] = ""
    """What the status may mean beside what the message says."""

    def _text(self) -> str:
        kind = f" {self.type}" if self.type else ""
        return f"{self.status}{kind}{self._hint}: {self.message}"


class AuthenticationError(APIError):
    """401: the key is missing, wrong or revoked."""


class InsufficientCreditsError(APIError):
    """402: the account has too few credits."""


class PermissionDeniedError(APIError):
    """403: the key may not do this."""

    _hint = (
        " (on every call it may mean that this machine's address is not on the key's list of "
        "allowed addresses)"
    )


class NotFoundError(APIError):
    """404: no such task or model."""


class InvalidRequestError(APIError):
    """400, 409, 413 or 422: the server refuses this request; change it."""


class ContentModerationError(InvalidRequestError):
    """The prompt or a picture was refused by content moderation."""


class RateLimitError(APIError):
    """429: too many requests; `retry_after` holds the server's wish, if any."""


class ServerError(APIError):
    """5xx or 408: the server could not do it."""


class ResponseError(VidgoError):
    """An answer came that cannot be read.

    Attributes:
        problems: What is wrong with it, with the path, as in
            `"$.data.status: expected a string, got 5"`.
        status: The HTTP status.
        body: The answer's text.
    """

    def __init__(self, problems: Sequence[str], status: int, body: str) -> None:
        super().__init__(f"unreadable answer (HTTP {status}): " + "; ".join(problems))
        self.problems: tuple[str, ...] = tuple(problems)
        self.status = status
        self.body = body


class SubmissionUnknownError(VidgoError):
    """A submit whose outcome is unknown: a task may exist, and may have been charged.

    It is never sent again by this library, since the API knows no idempotency key and no
    list of tasks. The balance and the console's history, by model and time, may tell.

    Attributes:
        request: What was submitted.
        status: The status of the answer, or None where none came.
        body: The text of the answer, or None.
        sent_at: When it was sent (aware, UTC, local clock), or None where that is not known.
    """

    def __init__(
        self,
        message: str,
        request: Request,
        status: int | None = None,
        body: str | None = None,
        sent_at: datetime | None = None,
    ) -> None:
        super().__init__(message)
        self.request = request
        self.status = status
        self.body = body
        self.sent_at = sent_at


class SubmitErrorGroup(VidgoError, ExceptionGroup[VidgoError]):  # noqa: N818 - it is a group
    """Some requests of a `submit_many` were not accepted.

    Attributes:
        accepted: The tasks that were bought, by the index of their request.
        failed: The error of each other request, by its index.
    """

    accepted: dict[int, Task]
    failed: dict[int, VidgoError]

    def __new__(
        cls,
        message: str,
        accepted: Mapping[int, Task],  # noqa: ARG004 - as in __init__
        failed: Mapping[int, VidgoError],
    ) -> Self:
        """Make the group out of the errors in `failed`."""
        return super().__new__(cls, message, [failed[index] for index in sorted(failed)])

    def __init__(
        self, message: str, accepted: Mapping[int, Task], failed: Mapping[int, VidgoError]
    ) -> None:
        super().__init__(message)
        self.accepted = dict(accepted)
        self.failed = dict(failed)

    def derive(self, excs: Sequence[Any], /) -> Any:
        """Make the part that `except*` and `split` ask for; it keeps `accepted`."""
        kept = {id(error) for error in excs}
        failed = {index: error for index, error in self.failed.items() if id(error) in kept}
        if len(failed) < len(kept):  # others' errors have no index here
            return ExceptionGroup(self.message, excs)
        return SubmitErrorGroup(self.message, self.accepted, failed)

    def __reduce__(self) -> tuple[Any, ...]:
        state = {**self.__dict__}
        return type(self), (self.message, state.pop("accepted"), state.pop("failed")), state


class TaskFailedError(VidgoError):
    """The task ended without a result; `task.error_message` says why."""

    def __init__(self, task: Task) -> None:
        reason = task.error_message or "the server gave no reason"
        super().__init__(f"task {task.task_id} failed: {reason}", task)


class TaskTimeoutError(VidgoError, TimeoutError):
    """The deadline passed first. The tasks go on: wait for them again by their ids.

    Attributes:
        pending: The ids of the tasks that had not ended.
    """

    def __init__(self, message: str, pending: Sequence[str] = (), task: Task | None = None) -> None:
        super().__init__(message, task)
        self.pending: tuple[str, ...] = tuple(pending)


class DownloadError(VidgoError):
    """A file could not be fetched or written; the task and its files are as they were.

    Attributes:
        file: The file that was asked for.
    """

    def __init__(self, message: str, file: MediaFile, task: Task | None = None) -> None:
        super().__init__(message, task, file.task_id)
        self.file = file


class WebhookError(VidgoError):
    """A callback was refused: it is no notification of the API's, or does not hold the token.

    Attributes:
        status: The HTTP status to answer it with: 400 for a body that cannot be read, 401 for a
            wrong token, 413 for a body of more than 1 MiB.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class JournalError(VidgoError):
    """A journal cannot be used: nothing is sent that could not be written down.

    It is in use, was made for another server or account, is no journal or a newer one, or cannot be
    written; or an entry of it is not in the state that was expected. The message says which.

    Attributes:
        reason: `in_use` by another run, or `no_locks` where the drive has none that work, as
            network drives; None for all else.
    """

    def __init__(self, message: str, reason: Literal["in_use", "no_locks"] | None = None) -> None:
        super().__init__(message)
        self.reason = reason


class NotSentError(VidgoError):
    """A request was not sent, and nothing was bought for it.

    Several submits in a row had an unknown outcome (see `RetryPolicy.unknown_limit`), or its batch
    was stopped (`Batch.stop`).
    """


class SessionClosedError(VidgoError, RuntimeError):
    """The session is not open here: not entered, closed, or of another event loop."""
