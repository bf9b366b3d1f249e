"""What the answer to a paid POST means, and on what terms it may be sent again: pure.

answer to the POST                              then
no connection was made                          sent again (a TLS error is raised)
429                                             sent again, after `Retry-After`
503 `service_error` in the API's own body       sent again (`RetryPolicy.resend_on_503`)
any other 4xx but 408                           refused: nothing was bought
anything else                                   `SubmissionUnknownError`, at once
"""

import asyncio
import math
from http import HTTPStatus
from typing import Self, TypeVar

import attrs

from vidgo_async._core.errors import (
    APIError,
    AuthenticationError,
    InsufficientCreditsError,
    RateLimitError,
    ResponseError,
    ServerError,
    SessionClosedError,
    SubmissionUnknownError,
    TaskTimeoutError,
    TransportError,
    TransportTimeoutError,
    VidgoError,
)
from vidgo_async._polling.policies import RetryPolicy
from vidgo_async.requests import GenerationRequest, TypedRequest

Request = GenerationRequest | TypedRequest
_Error = TypeVar("_Error", bound=VidgoError)

# --- What an answer means -------------------------------------------------------------------


def judged(error: Exception, request: Request, policy: RetryPolicy) -> VidgoError:
    """Turn everything that may have bought something into the one error that says so."""
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


def may_send_again(error: VidgoError) -> bool:
    """Tell whether a judged error bought nothing, and another try may do better."""
    if isinstance(error, TransportError):
        return error.temporary
    return isinstance(error, RateLimitError | ServerError)


def _is_safe_503(error: APIError, policy: RetryPolicy) -> bool:
    # An assumption: the service says so itself that it did not take the request.
    unavailable = error.status == HTTPStatus.SERVICE_UNAVAILABLE
    return policy.resend_on_503 and unavailable and error.type == "service_error"


# --- On what terms --------------------------------------------------------------------------


class Gate:
    """Stops a batch from sending more once the account turned out not to pay for it."""

    def __init__(self) -> None:
        self.refusal: VidgoError | None = None
        self._shut: asyncio.Future[None] | None = None

    @property
    def shut(self) -> asyncio.Future[None]:
        """Done as soon as there is a refusal, for whoever waits for something else meanwhile."""
        if self._shut is None:
            self._shut = asyncio.get_running_loop().create_future()
        return self._shut

    def check(self) -> None:
        """Raise a copy of the refusal, if there was one."""
        if self.refusal is not None:
            raise self.refusal.own_copy()

    def learn(self, error: VidgoError) -> None:
        """Shut after a 401 or a 402 on a submit, or on the upload of what it needs."""
        if isinstance(error, AuthenticationError | InsufficientCreditsError):
            self.refusal = self.refusal or error
            if not self.shut.done():
                self.shut.set_result(None)


@attrs.frozen(eq=False, repr=False)
class Terms:
    """Until when, and on what condition, one submit may be sent."""

    give_up: float
    """The loop's time from which on nothing is sent any more, by the retry policy."""
    deadline: float
    """The loop's time at which the caller leaves."""
    gate: Gate

    @classmethod
    def starting_now(cls, timeout: float, deadline: float | None, gate: Gate) -> Self:
        """Set the terms of a call that begins now."""
        now = asyncio.get_running_loop().time()
        return cls(now + timeout, math.inf if deadline is None else deadline, gate)

    @property
    def leave_at(self) -> float:
        """The loop's time from which on nothing is sent, for whichever reason."""
        return min(self.give_up, self.deadline)

    def time_left(self) -> float | None:
        """Return the seconds until the caller leaves; None if he stays."""
        if math.isinf(self.deadline):
            return None
        return max(0.0, self.deadline - asyncio.get_running_loop().time())

    def too_late(self, failure: VidgoError | None) -> VidgoError:
        """Say why nothing was sent."""
        if self.deadline <= self.give_up:
            return too_late(sent=False)
        return nothing_bought(failure or _no_turn())


# --- In words -------------------------------------------------------------------------------


def nothing_bought(failure: _Error) -> _Error:
    """Say of a failure that it was the last one, and cost nothing."""
    return failure.own_copy(f"{failure.message} (gave up: nothing was bought)")


def closed_first() -> SessionClosedError:
    """Say that the session was closed before a submit was sent."""
    return SessionClosedError("the session was closed first: nothing was bought")


def too_late(*, sent: bool) -> TaskTimeoutError:
    """Say that a caller's deadline passed before a submit was answered, or even sent."""
    if sent:
        return TaskTimeoutError(
            "the deadline passed before the submit was answered: what it buys goes to `unclaimed`"
        )
    return TaskTimeoutError("the deadline passed before the submit was sent: nothing was bought")


def _no_turn() -> TransportTimeoutError:
    return TransportTimeoutError("no slot became free in time, so nothing was sent", sent=False)
