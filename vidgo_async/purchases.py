"""The paid POST: what may be sent again, and who owns what it bought.

Each POST runs in a task of the session's own, so that no cancelled caller can lose its
answer. What nobody is there to receive any more goes to `unclaimed`.

    answer to the POST                              then
    no connection was made                          sent again (a TLS error is raised)
    429                                             sent again, after `Retry-After`
    503 `service_error` in the API's own body       sent again (`RetryPolicy.resend_on_503`)
    any other 4xx but 408                           refused: nothing was bought
    anything else                                   `SubmissionUnknownError`, at once
"""

import asyncio
import logging
import random
from http import HTTPStatus
from typing import TypeVar

import attrs

from vidgo_async import wire
from vidgo_async.api import Api
from vidgo_async.errors import (
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
from vidgo_async.pacing import RetryPolicy
from vidgo_async.requests import GenerationRequest, TypedRequest
from vidgo_async.tasks import Task
from vidgo_async.throttle import MAX_RETRY_AFTER
from vidgo_async.transport import Sending

logger: logging.Logger = logging.getLogger("vidgo_async")

CLOSE_GRACE = 5.0
"""Seconds that closing gives to POSTs under way."""

Request = GenerationRequest | TypedRequest
_Error = TypeVar("_Error", bound=VidgoError)


@attrs.define(eq=False)
class Gate:
    """Stops a batch from sending more once the account turned out not to pay for it."""

    refusal: VidgoError | None = None

    def check(self) -> None:
        """Raise a copy of the refusal, if there was one."""
        if self.refusal is not None:
            raise self.refusal.own_copy()

    def learn(self, error: VidgoError) -> None:
        """Shut after a 401 or a 402 on a submit."""
        if isinstance(error, AuthenticationError | InsufficientCreditsError):
            self.refusal = self.refusal or error


@attrs.define(eq=False)
class Purchases:
    """Sends submits, and keeps account of what was bought."""

    api: Api
    retry: RetryPolicy
    unclaimed: list[Task | SubmissionUnknownError]
    _posts: set[asyncio.Task[Task]] = attrs.field(init=False, factory=set[asyncio.Task[Task]])
    _closing: asyncio.Event = attrs.field(init=False, factory=asyncio.Event)
    _random: random.Random = attrs.field(init=False, factory=random.Random)

    async def submit(
        self,
        request: Request,
        callback_url: str | None,
        *,
        deadline: float | None = None,
        gate: Gate | None = None,
    ) -> Task:
        """Buy one task, sending again only what certainly bought nothing.

        Args:
            request: What to generate.
            callback_url: Where the server reports the end, if anywhere.
            deadline: The loop's time at which the caller leaves.
            gate: What a batch shares to stop sending.

        Raises:
            VidgoError: Refused, given up or unknown; see the table above.
            TaskTimeoutError: The deadline passed.
        """
        body = wire.submit_body(request, callback_url)
        give_up = asyncio.get_running_loop().time() + self.retry.timeout
        gate = gate or Gate()
        failure: VidgoError | None = None
        failures = 0
        while True:
            await self._slot(give_up, deadline, failure, gate)
            try:
                return await self._send(request, body, deadline, gate)
            except (TransportError, APIError) as error:
                if not self._may_send_again(error):
                    raise
                failure = error
            failures += 1
            await self._pause(failure, failures, give_up)

    async def close(self) -> None:
        """Give POSTs under way a moment to end, then record them as unknown."""
        self._closing.set()
        if self._posts:
            await asyncio.wait(self._posts, timeout=CLOSE_GRACE)
        for post in self._posts:
            post.cancel()
        if self._posts:
            await asyncio.wait(self._posts)

    def leave(self, what: Task | SubmissionUnknownError) -> None:
        """Record what was bought, or may have been, and no caller was given."""
        self.unclaimed.append(what)
        if isinstance(what, Task):
            logger.warning("task %s was bought and no caller was given it", what.task_id)
        else:
            logger.warning("a submit is unaccounted for, and nobody was told: %s", what)

    # --- Before the sending -----------------------------------------------------------------

    async def _slot(
        self,
        give_up: float,
        deadline: float | None,
        failure: VidgoError | None,
        gate: Gate,
    ) -> None:
        """Wait for the turn to send; the gate may have shut meanwhile."""
        gate.check()
        throttle = self.api.throttle
        leave_at = give_up if deadline is None else min(give_up, deadline)
        if throttle.resumes_at > leave_at and failure is not None:
            raise _nothing_bought(failure)
        try:
            async with asyncio.timeout_at(leave_at):
                await throttle.acquire(throttle.submits)
        except TimeoutError:
            if leave_at == deadline:
                raise _too_late(sent=False) from failure
            raise _nothing_bought(failure or _no_turn()) from failure
        try:
            gate.check()
            if self._closing.is_set():
                raise _closed_first()
        except VidgoError:
            throttle.release(throttle.submits)
            raise

    async def _pause(self, failure: VidgoError, failures: int, give_up: float) -> None:
        """Wait before the next sending, unless that would be too late."""
        if isinstance(failure, RateLimitError):
            logger.debug("submit refused by the rate limit: %s", failure)
            return  # the throttle makes everybody wait
        asked = failure.retry_after if isinstance(failure, APIError) else None
        delay = asked or self.retry.delay(failures, self._random.random())
        delay = min(delay, MAX_RETRY_AFTER)
        if asyncio.get_running_loop().time() + delay > give_up:
            raise _nothing_bought(failure)
        logger.debug("submit again in %.1f s: %s", delay, failure)
        try:
            async with asyncio.timeout(delay):
                await self._closing.wait()
        except TimeoutError:
            return

    # --- The sending ------------------------------------------------------------------------

    async def _send(
        self, request: Request, body: bytes, deadline: float | None, gate: Gate
    ) -> Task:
        """Send once, in a task that outlives a caller who leaves."""
        loop = asyncio.get_running_loop()
        sending = Sending()
        post = loop.create_task(self._post(request, body, sending, gate))
        self._posts.add(post)
        post.add_done_callback(self._settled)
        left = None if deadline is None else max(0.0, deadline - loop.time())
        try:
            await asyncio.wait({post}, timeout=left)
        except asyncio.CancelledError:
            self._walk_away(post, sending)
            raise
        if post.done():
            return post.result()
        self._walk_away(post, sending)
        raise _too_late(sent=sending.started)

    async def _post(self, request: Request, body: bytes, sending: Sending, gate: Gate) -> Task:
        """Send once; of the errors that come out, only one means a possible purchase."""
        try:
            task = await self.api.submit(request, body, sending)
        except asyncio.CancelledError:
            if sending.started:
                msg = "the session was closed before the submit was answered: a task may exist"
                raise SubmissionUnknownError(msg, request) from None
            raise _closed_first() from None
        except Exception as error:  # noqa: BLE001 - even a bug of ours may follow a purchase
            failure = self._judged(error, request)
            failure.__cause__ = error.__cause__ if failure is error else error
            gate.learn(failure)  # before the slot goes to a sibling
        else:
            logger.info("submitted %s (%s)", task.task_id, task.model)
            return task
        raise failure

    def _settled(self, post: "asyncio.Task[Task]") -> None:
        self._posts.discard(post)
        self.api.throttle.release(self.api.throttle.submits)

    def _walk_away(self, post: "asyncio.Task[Task]", sending: Sending) -> None:
        """Leave a POST behind: unsent it is stopped, else its outcome is kept."""
        if not sending.started:
            post.cancel()
        post.add_done_callback(self._keep)

    def _keep(self, post: "asyncio.Task[Task]") -> None:
        if post.cancelled():
            return
        error = post.exception()
        if error is None:
            self.leave(post.result())
        elif isinstance(error, SubmissionUnknownError):
            self.leave(error)

    # --- What an answer means ---------------------------------------------------------------

    def _judged(self, error: Exception, request: Request) -> VidgoError:
        """Turn everything that may have bought something into the one error that says so."""
        match error:
            case TransportError(sent=False):
                return error if error.temporary else _nothing_bought(error)
            case APIError() if not isinstance(error, ServerError) or self._is_safe_503(error):
                return error
            case APIError() | ResponseError():
                return SubmissionUnknownError(
                    f"a task may exist; the submit was answered: {error}",
                    request,
                    error.status,
                    error.body,
                )
            case _:
                return SubmissionUnknownError(
                    f"a task may exist; the submit got: {error!r}", request
                )

    def _may_send_again(self, error: VidgoError) -> bool:
        if isinstance(error, TransportError):
            return error.temporary
        return isinstance(error, RateLimitError | ServerError)

    def _is_safe_503(self, error: APIError) -> bool:
        # An assumption: the service says so itself that it did not take the request.
        unavailable = error.status == HTTPStatus.SERVICE_UNAVAILABLE
        return self.retry.resend_on_503 and unavailable and error.type == "service_error"


def _no_turn() -> TransportTimeoutError:
    return TransportTimeoutError("no slot became free in time, so nothing was sent", sent=False)


def _nothing_bought(failure: _Error) -> _Error:
    return failure.own_copy(f"{failure.message} (gave up: nothing was bought)")


def _closed_first() -> SessionClosedError:
    return SessionClosedError("the session was closed first: nothing was bought")


def _too_late(*, sent: bool) -> TaskTimeoutError:
    if sent:
        return TaskTimeoutError(
            "the deadline passed before the submit was answered: what it buys goes to `unclaimed`"
        )
    return TaskTimeoutError("the deadline passed before the submit was sent: nothing was bought")
