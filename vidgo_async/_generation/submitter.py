"""The paid POST, and who owns what it bought.

Each POST runs in a task of the session's own, so that no cancelled caller can lose its
answer. What nobody is there to receive any more goes to `unclaimed`. What may be sent again
is decided in `resend.py`.
"""

import asyncio
import logging
import random

from vidgo_async._api.client import Api
from vidgo_async._api.limiter import MAX_RETRY_AFTER
from vidgo_async._api.transport import Sending
from vidgo_async._api.wire import Submission
from vidgo_async._core.errors import (
    APIError,
    RateLimitError,
    SubmissionUnknownError,
    TransportError,
    VidgoError,
)
from vidgo_async._core.models import Task
from vidgo_async._files.uploads import Uploads
from vidgo_async._generation.resend import (
    Gate,
    Request,
    Terms,
    closed_first,
    judged,
    may_send_again,
    nothing_bought,
    too_late,
)
from vidgo_async._polling.policies import RetryPolicy
from vidgo_async.requests import sources_of

logger: logging.Logger = logging.getLogger("vidgo_async")

CLOSE_GRACE = 5.0
"""Seconds that closing gives to POSTs under way."""


class Purchases:
    """Sends submits, and keeps account of what was bought."""

    def __init__(
        self,
        api: Api,
        uploads: Uploads,
        retry: RetryPolicy,
        unclaimed: list[Task | SubmissionUnknownError],
    ) -> None:
        self.api = api
        self.uploads = uploads
        self.retry = retry
        self.unclaimed = unclaimed
        self._posts: set[asyncio.Task[Task]] = set()
        self._closing = asyncio.Event()
        self._random = random.Random()

    async def prepare(
        self, request: Request, callback_url: str | None, gate: Gate | None = None
    ) -> Submission:
        """Write a request down, once its media are uploaded; at once where it has none.

        No deadline runs meanwhile, and the caller holds no turn.

        Args:
            request: What to generate.
            callback_url: Where the server reports the end, if anywhere.
            gate: What a batch shares to stop sending.

        Raises:
            VidgoError: An upload failed; nothing was bought.
            OSError: A file is not there, or cannot be read.
            ValueError: A file is no picture.
        """
        sources = sources_of(request)
        links = await self.uploads.links(sources, gate or Gate()) if sources else {}
        return Submission.of(request, callback_url, links)

    async def submit(
        self,
        submission: Submission,
        *,
        deadline: float | None = None,
        gate: Gate | None = None,
    ) -> Task:
        """Buy one task, sending again only what certainly bought nothing.

        Args:
            submission: What to send, from `prepare`.
            deadline: The loop's time at which the caller leaves.
            gate: What a batch shares to stop sending.

        Raises:
            VidgoError: Refused, given up or unknown; see the table in `resend.py`.
            TaskTimeoutError: The deadline passed.
        """
        terms = Terms.starting_now(self.retry.timeout, deadline, gate or Gate())
        failure: VidgoError | None = None
        failures = 0
        while True:
            await self._slot(terms, failure)
            try:
                return await self._send(submission, terms)
            except (TransportError, APIError) as error:
                if not may_send_again(error):
                    raise
                failure = error
            failures += 1
            await self._pause(terms, failure, failures)

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

    async def _slot(self, terms: Terms, failure: VidgoError | None) -> None:
        """Wait for the turn to send; much may have changed when it comes."""
        terms.gate.check()
        throttle = self.api.throttle
        if throttle.resumes_at > terms.give_up and failure is not None:
            raise nothing_bought(failure)
        try:
            async with asyncio.timeout_at(terms.leave_at):
                await throttle.acquire(throttle.submits)
        except TimeoutError:
            raise terms.too_late(failure) from failure
        try:
            # Whoever was cancelled before the call leaves here, and has bought nothing.
            await asyncio.sleep(0)
            self._check_still_wanted(terms, failure)
        except BaseException:
            throttle.release(throttle.submits)
            raise

    def _check_still_wanted(self, terms: Terms, failure: VidgoError | None) -> None:
        terms.gate.check()
        if self._closing.is_set():
            raise closed_first()
        if asyncio.get_running_loop().time() >= terms.leave_at:
            raise terms.too_late(failure) from failure

    async def _pause(self, terms: Terms, failure: VidgoError, failures: int) -> None:
        """Wait before the next sending, unless that would be too late."""
        if isinstance(failure, RateLimitError):
            logger.debug("submit refused by the rate limit: %s", failure)
            return  # the throttle makes everybody wait
        asked = failure.retry_after if isinstance(failure, APIError) else None
        delay = min(asked or self.retry.delay(failures, self._random.random()), MAX_RETRY_AFTER)
        next_try = asyncio.get_running_loop().time() + delay
        if next_try > terms.give_up:
            raise nothing_bought(failure)
        logger.debug("submit again in %.1f s: %s", delay, failure)
        try:
            async with asyncio.timeout_at(min(next_try, terms.leave_at)):
                await self._closing.wait()
        except TimeoutError:
            return

    # --- The sending ------------------------------------------------------------------------

    async def _send(self, submission: Submission, terms: Terms) -> Task:
        """Send once, in a task that outlives a caller who leaves."""
        loop = asyncio.get_running_loop()
        sending = Sending()
        post = loop.create_task(self._post(submission, sending, terms.gate))
        self._posts.add(post)
        post.add_done_callback(self._settled)
        try:
            await asyncio.wait({post}, timeout=terms.time_left())
        except asyncio.CancelledError:
            self._walk_away(post, sending)
            raise
        if post.done():
            try:
                return post.result()
            finally:
                del post  # else its error would hold this frame, and so itself
        self._walk_away(post, sending)
        raise too_late(sent=sending.started)

    async def _post(self, submission: Submission, sending: Sending, gate: Gate) -> Task:
        """Send once; of the errors that come out, only one means a possible purchase."""
        try:
            task = await self.api.submit(submission, sending)
        except asyncio.CancelledError:
            if sending.started:
                msg = "the session was closed before the submit was answered: a task may exist"
                raise SubmissionUnknownError(msg, submission.request) from None
            raise closed_first() from None
        except Exception as error:  # noqa: BLE001 - even a bug of ours may follow a purchase
            failure = judged(error, submission.request, self.retry)
            cause = error.__cause__ if failure is error else error
            failure.__cause__ = cause and cause.with_traceback(None)
            gate.learn(failure)  # before the slot goes to a sibling
        else:
            logger.info("submitted %s (%s)", task.task_id, task.model)
            return task
        try:
            raise failure
        finally:
            del failure  # as in `_send`

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
