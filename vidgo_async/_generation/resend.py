"""What the response to a paid POST means, and whether it may be sent again: pure.

response to the POST                            then
no connection was made                          sent again (a TLS error is raised)
429                                             sent again, after `Retry-After`
503 `service_error` in the API's own body       sent again (`RetryPolicy.resend_on_503`)
any other 4xx but 408                           refused: nothing was bought
anything else                                   `SubmissionUnknownError`, at once
"""

from http import HTTPStatus
from typing import TypeVar

from vidgo_async._core.errors import (
    APIError,
    ResponseError,
    ServerError,
    SessionClosedError,
    SubmissionUnknownError,
    TaskTimeoutError,
    TransportError,
    TransportTimeoutError,
    VidgoError,
)
from vidgo_async._core.models import Request
from vidgo_async._core.retry import RetryPolicy

_Error = TypeVar("_Error", bound=VidgoError)


def classify(error: Exception, request: Request, policy: RetryPolicy) -> VidgoError:
    """Turn every failure that may have bought something into the one error that says so."""
    match error:
        case TransportError(sent=False):
            return error if error.temporary else nothing_bought(error)
        case APIError() if not isinstance(error, ServerError) or _is_safe_503(error, policy):
            return error
        case APIError() | ResponseError() | TransportError():
            msg = f"a task may exist; the submit got: {error}"
            return SubmissionUnknownError(msg, request, error.status, error.body)
        case _:
            return SubmissionUnknownError(f"a task may exist; the submit got: {error!r}", request)


def _is_safe_503(error: APIError, policy: RetryPolicy) -> bool:
    # An assumption: the service says so itself that it did not take the request.
    unavailable = error.status == HTTPStatus.SERVICE_UNAVAILABLE
    return policy.resend_on_503 and unavailable and error.type == "service_error"


def nothing_bought(failure: _Error) -> _Error:
    """Say of a failure that it was the last one, and cost nothing."""
    return failure.own_copy(f"{failure.message} (gave up: nothing was bought)")


def closed_before_sent() -> SessionClosedError:
    """Make the error of a submit whose session was closed before it was sent."""
    return SessionClosedError("the session was closed first: nothing was bought")


def closed_before_answered(request: Request) -> SubmissionUnknownError:
    """Make the error of a submit that was sent, and whose session was closed too early."""
    msg = "the session was closed before the submit was answered: a task may exist"
    return SubmissionUnknownError(msg, request)


def deadline_passed(*, sent: bool) -> TaskTimeoutError:
    """Make the error of a submit whose caller's deadline passed."""
    if sent:
        return TaskTimeoutError(
            "the deadline passed before the submit was answered: what it buys goes to `unclaimed`"
        )
    return TaskTimeoutError("the deadline passed before the submit was sent: nothing was bought")


def no_permit() -> TransportTimeoutError:
    """Make the error of a submit that did not get to be sent in time."""
    return TransportTimeoutError("no slot became free in time, so nothing was sent", sent=False)
