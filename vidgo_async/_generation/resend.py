"""What the response to a paid POST means, and whether it may be sent again: pure.

response to the POST                            then
any, with a readable `task_id`                  bought, whatever its status or code (`wire`)
no byte of it was sent                          sent again (a TLS error is raised)
429                                             sent again, after `Retry-After`
503 `service_error` in the API's own body       sent again (`RetryPolicy.resend_on_503`)
any other 4xx but 408                           refused: nothing was bought
anything else                                   `SubmissionUnknownError`, at once
"""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import TypeVar

from vidgo_async._core.errors import (
    APIError,
    RateLimitError,
    ResponseError,
    ServerError,
    SessionClosedError,
    SubmissionUnknownError,
    TaskTimeoutError,
    TransportError,
    VidgoError,
)
from vidgo_async._core.models import Request, Task
from vidgo_async._core.retry import RetryPolicy

_Error = TypeVar("_Error", bound=VidgoError)

HISTORY = "https://vidgo.ai/apis/dashboard/history"
"""The page of the console that lists tasks; its address is not documented."""
_LASTING = "; a 429 that lasts may be a limit of the key: of requests an hour, or of credits an hour or a day"


def classify(
    error: Exception,
    request: Request,
    policy: RetryPolicy,
    sent_at: datetime | None = None,
) -> VidgoError:
    """Turn every failure that may have bought something into the one error that says so.

    Args:
        error: What the POST came to.
        request: What was submitted.
        policy: Whether a 503 is safe.
        sent_at: When the POST was sent; now by default.
    """
    match error:
        case TransportError(sent=False):
            return error if error.temporary else nothing_bought(error)
        case APIError() if not isinstance(error, ServerError) or _is_safe_503(error, policy):
            return error
        case APIError() | ResponseError() | TransportError():
            what = f"a task may exist; the submit got: {error}"
            unknown = _unknown(what, request, sent_at)
            unknown.status, unknown.body = error.status, error.body
            return unknown
        case _:
            return _unknown(f"a task may exist; the submit got: {error!r}", request, sent_at)


def _unknown(what: str, request: Request, sent_at: datetime | None) -> SubmissionUnknownError:
    """Make the error that tells what to look for, and where."""
    sent_at = sent_at or datetime.now(UTC)
    msg = (
        f"{what}. Sent at {sent_at:%Y-%m-%d %H:%M:%S} UTC for the model {request.model}: the "
        f"console's history may show it, probably at {HISTORY}"
    )
    return SubmissionUnknownError(msg, request, sent_at=sent_at)


def _is_safe_503(error: APIError, policy: RetryPolicy) -> bool:
    # An assumption: the service says so itself that it did not take the request.
    unavailable = error.status == HTTPStatus.SERVICE_UNAVAILABLE
    return policy.resend_on_503 and unavailable and error.type == "service_error"


def nothing_bought(failure: _Error) -> _Error:
    """Say of a failure that it was the last one, and cost nothing."""
    hint = _LASTING if isinstance(failure, RateLimitError) else ""
    return failure.own_copy(f"{failure.message} (gave up: nothing was bought{hint})")


def closed_before_sent() -> SessionClosedError:
    """Make the error of a submit whose session was closed before it was sent."""
    return SessionClosedError("the session was closed first: nothing was bought")


def ended_before_answered(
    request: Request, sent_at: datetime | None = None, *, closed: bool
) -> SubmissionUnknownError:
    """Make the error of a submit that was sent, and ended too early.

    Args:
        request: What was submitted.
        sent_at: When the POST was sent; now by default.
        closed: Whether its session was closed; else other code cancelled it.
    """
    why = "the session was closed" if closed else "other code cancelled the submit"
    return _unknown(f"{why} before it was answered: a task may exist", request, sent_at)


def cancelled_by_other_code(task: Task | None = None) -> VidgoError:
    """Make the error of one of many requests that other code cancelled, as one that cancels all tasks.

    Args:
        task: What it bought, where that is known.
    """
    if task is not None:
        return VidgoError("other code cancelled this request: wait for its task", task)
    return VidgoError(
        "other code cancelled this request: what it bought, if anything, is in `unclaimed`"
    )


def deadline_passed(*, sent: bool) -> TaskTimeoutError:
    """Make the error of a submit whose caller's deadline passed."""
    if sent:
        return TaskTimeoutError(
            "the deadline passed before the submit was answered: what it buys goes to `unclaimed`"
        )
    return TaskTimeoutError("the deadline passed before the submit was sent: nothing was bought")
