"""The paid POST, and the record of what was bought.

Each submit runs in a task of the session's own, so that a cancelled caller cannot lose its
response. What has no caller any more goes to `unclaimed`. `resend.py` decides what may be sent
again.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from vidgo_async._api.client import Api
from vidgo_async._api.limiter import Permit
from vidgo_async._api.send_state import SendState
from vidgo_async._core.concurrency import TaskSet, now, wait_until
from vidgo_async._core.errors import (
    APIError,
    RateLimitError,
    SubmissionUnknownError,
    TransportError,
    VidgoError,
)
from vidgo_async._core.models import Task
from vidgo_async._core.retry import Backoff, is_retryable
from vidgo_async._files.uploads import Uploads
from vidgo_async._generation.breaker import Breaker, UnknownBreaker, cancelled_before_sent
from vidgo_async._generation.pending_submit import PendingSubmit
from vidgo_async._generation.records import SubmitRecord
from vidgo_async._generation.resend import (
    classify,
    closed_before_sent,
    ended_before_answered,
    nothing_bought,
)
from vidgo_async._generation.submit_body import submit_body
from vidgo_async._generation.submit_permits import SubmitPermits
from vidgo_async._polling.poller import Poller
from vidgo_async.requests import PreparedRequest
from vidgo_async.webhooks.receiver import WebhookReceiver

logger: logging.Logger = logging.getLogger("vidgo_async")

CLOSE_GRACE = 5.0
"""Seconds that closing gives to POSTs in flight."""


class Submitter:
    """Sends submits, and records what was bought."""

    def __init__(
        self,
        api: Api,
        uploads: Uploads,
        poller: Poller,
        backoff: Backoff,
        unclaimed: list[Task | SubmissionUnknownError],
        *,
        webhooks: WebhookReceiver | None = None,
    ) -> None:
        self.api = api
        self.uploads = uploads
        self.poller = poller
        self.backoff = backoff
        self.unclaimed = unclaimed
        self.webhooks = webhooks
        self._unknown = UnknownBreaker(backoff.policy)
        self.background: TaskSet = TaskSet()
        """What ends after its batch was left, and before the session has closed."""
        self._submits = TaskSet(self._submit_ended)
        self._pending = dict[asyncio.Task[None], PendingSubmit]()
        self._closing = asyncio.Event()
        self._permits = SubmitPermits(
            api.limiter, self._unknown, self._closing, poller.check_running
        )

    async def upload_media(
        self, prepared: PreparedRequest, breaker: Breaker | None = None
    ) -> Sequence[str]:
        """Upload the media of a request that have no URL yet; return the URLs, in their order.

        No deadline runs meanwhile, and the caller holds no permit.

        Raises:
            VidgoError: An upload failed; nothing was bought.
            OSError: A file is not there, or cannot be read.
            ValueError: A file is no picture.
        """
        if not prepared.sources:
            return ()
        return await (breaker or Breaker()).race(self.uploads.links(prepared.sources))

    async def submit(
        self,
        prepared: PreparedRequest,
        links: Sequence[str],
        callback_url: str | None,
        *,
        deadline: float | None = None,
        breaker: Breaker | None = None,
        on_sent: Callable[[], None] = lambda: None,
        record: SubmitRecord | None = None,
    ) -> Task:
        """Buy one task, sending again only what certainly bought nothing.

        Args:
            prepared: What to generate.
            links: The URLs of its media, from `upload_media`.
            callback_url: Where the server reports the end, if anywhere.
            deadline: The loop's time until which the caller waits.
            breaker: What a batch shares to stop sending.
            on_sent: Called once it is sent, or has to wait before that; perhaps more than once.
            record: Where it is written down before it is sent, and what came of it.

        Raises:
            VidgoError: Refused, given up or unknown; see the table in `resend.py`.
            TaskTimeoutError: The deadline passed.
            JournalError: It could not be written down, and so was not sent.
            TypeError: A typed request of the user's own holds what JSON cannot carry.
        """
        breaker = breaker or Breaker()
        breaker.check()
        if prepared.is_large:
            on_sent()
            body = await self.api.threads.run(submit_body, prepared, links, callback_url)
            breaker.check()
        else:
            body = submit_body(prepared, links, callback_url)
        submit = PendingSubmit(prepared.request, body, breaker, on_sent, record)
        answer = submit.begin()
        job = self._submits.start(self._run_for_caller(submit))
        self._pending[job] = submit
        if deadline is not None:
            submit.set_deadline(deadline, job)
        try:
            return await answer
        except BaseException as error:
            if not _came_from(answer, error):  # the caller is cancelled, or its coroutine closed
                self._abandon(job, submit, answer)
            raise
        finally:
            submit.leave()
            del job, submit, answer  # else an error would hold this frame, and so itself

    async def close(self) -> None:
        """Give POSTs in flight a moment to end, then record them as unknown."""
        self._closing.set()
        self._cancel_unsent(lambda _: True)
        if self._submits:
            await wait_until(set(self._submits), now() + CLOSE_GRACE)
        self._submits.cancel()
        await self._submits.wait()

    def stop(self, breaker: Breaker) -> None:
        """End the submits of a batch that are not sent; its breaker is open, and says why."""
        self._cancel_unsent(lambda submit: submit.breaker is breaker)

    def add_unclaimed(self, what: Task | SubmissionUnknownError) -> None:
        """Record what was bought, or may have been, and no caller was given."""
        if isinstance(what, Task):
            self.unclaimed.append(what)
            logger.warning("task %s was bought and no caller was given it", what.task_id)
        else:
            self.unclaimed.append(what.with_traceback(None))  # whose frames hold the body
            logger.warning("a submit with unknown outcome has no caller any more: %s", what)

    def _cancel_unsent(self, is_meant: Callable[[PendingSubmit], bool]) -> None:
        for job, submit in self._pending.items():
            if is_meant(submit):
                submit.end_unless_sent(job)

    # --- In a task of the session's own -----------------------------------------------------

    async def _run_for_caller(self, submit: PendingSubmit) -> None:
        """Give the caller what came of it; what has no caller any more is recorded."""
        try:
            task = await self._run(submit)
        except VidgoError as error:
            if not submit.answer(error):
                self._record(submit, error)
        else:
            if not submit.answer(task):
                self._record(submit, task)

    def _submit_ended(self, job: "asyncio.Task[None]") -> None:
        """Tell the caller of a submit that was cancelled why it was, or of a bug."""
        submit = self._pending.pop(job)
        if job.cancelled():
            submit.answer(self._why_unwanted(submit))
        elif (bug := job.exception()) is not None and not submit.answer(bug):
            logger.error("a submit whose caller had left failed", exc_info=bug)

    def _why_unwanted(self, submit: PendingSubmit) -> VidgoError:
        """Return why a submit is not sent any more whose caller waits: who cancelled it."""
        if (reason := submit.breaker.reason()) is not None:
            return reason
        return closed_before_sent() if self._closing.is_set() else cancelled_before_sent()

    async def _run(self, submit: PendingSubmit) -> Task:
        """Send until the response is final or the retry policy gives up."""
        submit.give_up = now() + self.backoff.policy.timeout
        failures = 0
        while True:
            permit = await self._permits.acquire(submit)
            failure: VidgoError
            try:
                return await self._send(submit, permit)
            except (TransportError, APIError) as error:
                if not (submit.has_waiter and is_retryable(error)):
                    raise
                failure = error.with_traceback(None)  # which would hold this frame, and so itself
            finally:
                permit.release()
                self._unknown.leave(trial=submit.trial)
            submit.state = SendState(submit.on_sent)  # nothing was bought so far
            submit.on_sent()
            failures += 1
            await self._pause(submit, failure, failures)

    async def _send(self, submit: PendingSubmit, permit: Permit) -> Task:
        """Send once; of the errors that come out, only one means a possible purchase."""
        request, recorder = submit.request, submit.recorder
        await self._write_intent(submit)
        sent_at = now()
        try:
            task = await self._post(submit, permit)
        except asyncio.CancelledError:
            if not submit.state.started:
                await recorder.after(None)
                raise
            unknown = ended_before_answered(
                request, submit.state.written_at, closed=self._closing.is_set()
            )
            await recorder.after(unknown)
            raise unknown from None
        except Exception as error:  # noqa: BLE001 - even a bug of ours may follow a purchase
            failure = classify(error, request, self.backoff.policy, submit.state.written_at)
            cause = error.__cause__ if failure is error else error
            failure.__cause__ = cause and cause.with_traceback(None)
            submit.breaker.record(failure)  # before the permit goes to a sibling
            self._unknown.record(failure, sent_at, trial=submit.trial)
            await recorder.after(failure)
        else:
            self._unknown.record(None, sent_at, trial=submit.trial)
            logger.info("submitted %s (%s)", task.task_id, task.model)
            await recorder.after(task)
            return task
        try:
            raise failure
        finally:
            del failure  # as in `submit`

    async def _write_intent(self, submit: PendingSubmit) -> None:
        """Write down that it is sent next, if it still is by then."""
        if not await submit.recorder.before():
            return
        try:
            self._permits.check_still_wanted(submit)
        except BaseException:
            await submit.recorder.after(None)
            raise

    async def _post(self, submit: PendingSubmit, permit: Permit) -> Task:
        """Post it; a callback may come before the answer."""
        if self.webhooks is None:
            return await self.api.submit(submit.body, submit.state, permit)
        task_id: str | None = None
        post = self.webhooks.sessions.post_began()
        try:
            task = await self.api.submit(submit.body, submit.state, permit)
            task_id = task.task_id
            if self.webhooks.leads_here(submit.body.secret):
                self.poller.callbacks.expect(task)
            return task
        finally:
            self.webhooks.sessions.post_ended(post, task_id)

    async def _pause(self, submit: PendingSubmit, failure: VidgoError, failures: int) -> None:
        """Wait before the next POST, unless that would be too late."""
        if isinstance(failure, RateLimitError):
            logger.debug("submit refused by the rate limit: %s", failure)
            return  # the limiter makes all requests wait
        retry_after = failure.retry_after if isinstance(failure, APIError) else None
        delay = self.backoff.delay(failures, retry_after)
        if now() + delay > submit.give_up:
            raise nothing_bought(failure)
        logger.debug("submit again in %.1f s: %s", delay, failure)
        try:
            async with asyncio.timeout(delay):
                await self._closing.wait()
        except TimeoutError:
            return

    # --- Without a caller -------------------------------------------------------------------

    def _abandon(
        self, job: "asyncio.Task[None]", submit: PendingSubmit, answer: "asyncio.Future[Task]"
    ) -> None:
        """Go on without the caller; what came in the moment of leaving is recorded."""
        if not answer.cancel() and not answer.cancelled():
            self._record(submit, answer.exception() or answer.result())
        submit.end_unless_sent(job)

    def _record(self, submit: PendingSubmit, what: Task | BaseException) -> None:
        if isinstance(what, Task | SubmissionUnknownError) and not submit.recorder.hands_over:
            self.add_unclaimed(what)


def _came_from(answer: "asyncio.Future[Task]", error: BaseException) -> bool:
    """Tell whether an error that was raised while waiting for an answer is that answer."""
    return answer.done() and not answer.cancelled() and answer.exception() is error
