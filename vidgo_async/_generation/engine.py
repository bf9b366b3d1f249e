"""What runs a batch: requests are read as slots free up, and each is run to its end.

It is apart from `Batch`, the user's object, so that its tasks do not keep that object alive: when
it is dropped, the engine stops.
"""

import asyncio
import functools
import logging
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

from vidgo_async._core.concurrency import TaskSet, wait_shielded
from vidgo_async._core.errors import NotSentError, SubmissionUnknownError, VidgoError
from vidgo_async._core.models import Task
from vidgo_async._core.pieces import ALL_DONE, Pieces
from vidgo_async._generation.breaker import Breaker
from vidgo_async._generation.request_source import End, Requests, RequestSource
from vidgo_async._generation.resend import cancelled_by_other_code
from vidgo_async._generation.runner import BatchOptions, Runner
from vidgo_async._generation.slot import Slot
from vidgo_async._generation.submitter import Submitter
from vidgo_async._polling.consumers import Consumers, streams_of
from vidgo_async._polling.poller import Poller
from vidgo_async._polling.subscription import Subscription
from vidgo_async.requests import PreparedRequest, check_request

logger: logging.Logger = logging.getLogger("vidgo_async")

STOPPED = "the batch was stopped first: nothing was bought"
READER_CANCELLED = "other code cancelled what reads the requests: the rest of them is not sent"
READER_GRACE = 1.0
"""Seconds that closing waits for the user's own iterator, which may itself wait for the close."""


class Engine:
    """Reads requests, runs each to its end, and keeps the outcomes until they are taken."""

    def __init__(
        self, submitter: Submitter, poller: Poller, requests: Requests, options: BatchOptions
    ) -> None:
        self.submitter = submitter
        self.poller = poller
        self.options = options
        self.read: int = 0
        self.finished: int = 0
        self.failed: int = 0
        self._requests = requests
        self.slots: dict[int, Slot] = {}
        """What is read and not taken yet, by its index, in order."""
        self._leaving: dict[int, Slot] = {}
        """Those of a batch that was left, until each is stopped and its purchase recorded."""
        self._is_left = False
        """Whether it was stopped for good, so that nothing is paused or resumed any more."""
        self._is_paused = False
        self._work: Pieces[Any] = ALL_DONE
        """What pauses, resumes or leaves all of them, a few at a time."""
        self._ready: deque[Slot] = deque()
        self._changed = asyncio.Event()
        self._consumers = Consumers(self.pause, self.resume)
        self._owner: weakref.ref[object] | None = None
        self._breaker = Breaker(self._has_no_consumer)
        self._tasks = TaskSet()
        self._runner = Runner(submitter, options, self._breaker, self._update_failed)
        self._reader: asyncio.Task[None] | None = None
        self._reading = True
        self._interrupted = False
        """Whether reading was stopped by this side, so that its cancellation is no error."""
        self._error: BaseException | None = None
        """What is raised after all outcomes."""

    @property
    def submitted(self) -> int:
        """How many requests became tasks."""
        return self._runner.submitted

    def start(self, owner: object) -> None:
        """Begin to read requests, unless the session was closed before.

        Args:
            owner: What the consumer holds: without it nothing more is sent.
        """
        self.poller.check_loop()
        self._owner = weakref.ref(owner)
        if self._reading:
            self._reader = asyncio.create_task(self._read_all())
            self._reader.add_done_callback(self._reader_ended)

    async def next_done(self) -> Slot:
        """Wait for the next request that came to its end, and free its slot.

        Raises:
            StopAsyncIteration: There are no more.
        """
        with self._consumers.waiting():
            slot = await self._first_ready()
        del self.slots[slot.index]
        slot.stage.release()
        return slot

    async def _first_ready(self) -> Slot:
        while not self._ready:
            if not self._reading and not self.slots:
                self._consumers.close()
                await self._close_reader()
                await self._close_run()
                error, self._error = self._error, None
                if isinstance(error, StopAsyncIteration):  # it would pass for the end
                    msg = "the requests, or a callback, raised StopAsyncIteration"
                    raise RuntimeError(msg) from error
                raise error or StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._ready.popleft()

    @property
    def unclaimed(self) -> list[Task | SubmissionUnknownError]:
        """What was bought, or may have been, and not taken, while the consumer is gone."""
        return self._purchases() if self._breaker.is_paused else []

    def pause(self) -> None:
        """Send nothing, and poll nothing, since the consumer was cancelled."""
        if self._is_left:
            return
        self._breaker.pause()
        for consumers in streams_of(self._reader):  # of a batch that feeds this one
            consumers.hold()
        self._is_paused = True
        self._follow()
        logger.info(
            "the consumer of a batch was cancelled: it sends nothing more until the next outcome "
            "is asked for; `unclaimed` shows %d purchases",
            len(self._purchases()),
        )

    def resume(self) -> None:
        """Go on for the next consumer."""
        if self._is_left:
            return
        self._breaker.resume()
        for consumers in streams_of(self._reader):
            consumers.release()
        self._is_paused = False
        self._follow()

    def _follow(self) -> None:
        """Pause or resume each wait, as its consumer is gone or there by then.

        What is under way goes on: where consumers leave and come back again and again, begun anew it
        would never reach the last waits.
        """
        if self._work.done:
            self._work = Pieces(list(self._runner.waits), self._follow_one)
        else:
            self._work.then(self._follow)

    def _follow_one(self, wait: Subscription) -> None:
        if self._is_paused:
            self.poller.unwatch(wait)
            wait.pause()
        elif wait.is_paused:
            wait.resume()
            self.poller.resume(wait)

    def stop_submitting(self) -> None:
        """Read and send nothing more; what was bought goes on to its end."""
        self._breaker.open(NotSentError(STOPPED))
        self.submitter.stop(self._breaker)
        self._stop_reading()

    def last_known(self, slot: Slot) -> Task | None:
        """Return the last known state, which for a task in flight the poller knows."""
        return slot.task and self.poller.last_known(slot.task)

    def owns(self, task: "asyncio.Task[Any] | None") -> bool:
        """Tell whether this is one of the tasks that `wait_closed` waits for."""
        return task is not None and (task is self._reader or task in set(self._tasks))

    def stop(self, error: Exception | None = None) -> None:
        """Send nothing more, and record what was bought and not taken."""
        self._is_left = True
        self._breaker.pause()  # of many, the last are stopped a little later
        if self._reading or self.slots:
            self._error = error
        self._leaving |= self.slots
        self.slots.clear()
        self._ready.clear()
        self._consumers.close()
        self._stop_reading()
        self._work.stop()
        self._work = Pieces(list(self._leaving), self._leave)
        if self.options.run is not None:  # a dropped batch has no caller to wait for it
            self._close_alone()

    def _close_alone(self) -> None:
        """Close it in the background, also where other code cancels that."""
        closing = self.submitter.background.start(self.wait_closed())
        closing.add_done_callback(lambda _: self._close_alone() if closing.cancelled() else None)

    async def wait_closed(self) -> None:
        """Wait until nothing of it runs any more; for the user's own iterator only so long."""
        while not self._work.done:  # it may be begun anew meanwhile
            await self._work.wait()
        await self._tasks.wait()
        await self._close_reader()
        await self._close_run()

    def _leave(self, index: int) -> None:
        """Stop a request, and record what it bought."""
        slot = self._leaving.pop(index)
        slot.job.cancel()
        if (purchase := self._purchase(slot)) is not None:
            self.submitter.add_unclaimed(purchase)

    async def _close_reader(self) -> None:
        """End the reader, which is still there where the requests themselves stopped the batch."""
        reader = self._reader
        if reader is None or reader.done() or reader is asyncio.current_task():
            return
        reader.cancel()
        grace = asyncio.create_task(asyncio.wait({reader}, timeout=READER_GRACE))
        await wait_shielded({grace})
        if not reader.done() and self._reader is not None:
            self._reader = None  # it is not waited for again
            logger.warning(
                "the iterator of requests did not end within %g s of being cancelled; "
                "the batch is closed without it",
                READER_GRACE,
            )

    async def _close_run(self) -> None:
        """Close the journal, if there is one, so that another run may open it."""
        if self.options.run is not None:
            await self.options.run.close()

    def _purchases(self) -> list[Task | SubmissionUnknownError]:
        """Return what was bought, or may have been, and not taken."""
        slots = (*self.slots.values(), *self._leaving.values())
        purchases = map(self._purchase, slots)
        return [purchase for purchase in purchases if purchase is not None]

    def _purchase(self, slot: Slot) -> Task | SubmissionUnknownError | None:
        return (
            slot.error if isinstance(slot.error, SubmissionUnknownError) else self.last_known(slot)
        )

    def _has_no_consumer(self) -> bool:
        """Tell whether nothing takes outcomes any more: dropped, or cancelled."""
        is_dropped = self._owner is not None and self._owner() is None
        return is_dropped or self._consumers.are_gone()

    # --- The engine's own tasks -------------------------------------------------------------

    async def _read_all(self) -> None:
        """Read a request whenever there is room."""
        if self.options.run is not None:
            await self.options.run.open()
        if self.options.folder is not None:
            await self.options.folder.open()
        async with RequestSource(self._requests) as source:
            await self._read(source)

    def _reader_ended(self, reader: "asyncio.Task[None]") -> None:
        """Raise what `requests` raised, if it did, after all outcomes."""
        error: BaseException | None
        try:
            error = reader.exception()
        except asyncio.CancelledError as cancelled:  # by other code, or raised by `requests`
            error = VidgoError(READER_CANCELLED) if reader.cancelling() else cancelled
        if error is not None and not self._interrupted:
            self._error = error
        self._stop_reading()

    async def _read(self, source: RequestSource) -> None:
        while True:
            # There has to be room, which is not held while the source takes its time: a request
            # that was uploaded may take it meanwhile.
            async with self._runner.stages.in_flight:
                await self._breaker.wait_running()
            request = await source.next()
            if isinstance(request, End) or not self._reading:
                return
            check_request(request)
            prepared = PreparedRequest(request)
            slot = Slot(self.read, prepared, await self._first_stage(prepared))
            self.slots[slot.index] = slot
            self.read += 1
            sent = asyncio.Event()
            slot.job = self._tasks.start(self._runner.run(slot, sent.set))
            slot.job.add_done_callback(functools.partial(self._job_ended, slot, sent.set))
            # A source that blocks the loop in each `next` must not hold up what it gave before.
            await sent.wait()

    async def _first_stage(self, prepared: PreparedRequest) -> asyncio.Semaphore:
        """Enter the stage to begin in: requests that wait for uploads are not in flight."""
        stage = self._runner.stages.uploading if prepared.sources else self._runner.stages.in_flight
        await stage.acquire()
        return stage

    def _stop_reading(self) -> None:
        self._reading = False
        self._interrupted = True
        if self._reader is not None and self._reader is not asyncio.current_task():
            self._reader.cancel()
        self._changed.set()

    def _job_ended(
        self, slot: Slot, on_sent: Callable[[], None], job: "asyncio.Task[None]"
    ) -> None:
        """Make whatever became of a request its outcome."""
        on_sent()
        is_left = slot.index not in self.slots
        interrupt = None if job.cancelled() else job.exception()
        if not slot.is_over:
            if is_left:
                return
            if interrupt is None:
                slot.error = cancelled_by_other_code(slot.task)
            else:  # the loop stopped, and runs again
                slot.error = VidgoError.wrapping(interrupt, slot.task)
            if self.options.folder is not None:
                _ = self.submitter.background.start(self._runner.log(slot))
        self.finished += slot.error is None
        self.failed += slot.error is not None
        if not is_left:
            self._ready.append(slot)
            self._changed.set()

    def _update_failed(self, error: BaseException) -> None:
        """Read no more, and raise the error of `on_update` after all outcomes."""
        self._error = error
        self._stop_reading()
