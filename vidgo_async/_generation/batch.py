"""Many requests at once: read as slots free up, yielded in order of completion.

The reader's object (`Batch`) and the machinery (`_Engine`) are apart, so that the engine's own
tasks do not keep the reader's object alive: when it is dropped, the engine stops.
"""

import asyncio
import contextlib
import functools
import weakref
from collections import deque
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs

from vidgo_async._core.concurrency import see_through
from vidgo_async._core.errors import SubmissionUnknownError, TaskFailedError, VidgoError
from vidgo_async._core.models import Task
from vidgo_async._files.saving import Folder
from vidgo_async._generation.resend import Gate, Request
from vidgo_async._generation.submitter import Purchases
from vidgo_async._polling.completions import OnUpdate, wait_for_end
from vidgo_async._polling.poller import Poller
from vidgo_async._session.arguments import check_loop
from vidgo_async.requests import check_request, sources_of

Requests = Iterable[Request] | AsyncIterable[Request]
_END = object()


@attrs.frozen
class Outcome:
    """What became of one request of a batch."""

    index: int
    """The request's place in the batch, from 0."""
    request: Request
    """The request itself."""
    task: Task | None
    """The last known state; None where no task was bought, or none is known of."""
    error: VidgoError | None
    """Why there is no finished task, or why its files are not there; None exactly when `ok`."""
    paths: tuple[Path, ...] = ()
    """The files as they were saved, in the order of `task.files`, where `download_to` was given."""

    @property
    def ok(self) -> bool:
        """Whether the task finished, and its files were saved if that was asked for."""
        return self.error is None


class _Slot:
    """One request from being read until the reader takes its outcome."""

    # There are as many as requests in flight: without a dict each takes less memory.
    __slots__ = ("error", "index", "paths", "request", "room", "task")

    def __init__(self, index: int, request: Request, room: asyncio.Semaphore) -> None:
        self.index = index
        self.request = request
        self.task: Task | None = None
        self.error: VidgoError | None = None
        self.paths: tuple[Path, ...] = ()
        self.room = room
        """Where it has its place: in flight, or before or after that where others may pass it."""

    async def move(self, room: asyncio.Semaphore) -> None:
        """Take a place elsewhere, and only then leave the one it has."""
        await room.acquire()
        self.room.release()
        self.room = room


class Engine:
    """Reads requests, runs each to its end, and keeps the outcomes until they are taken."""

    def __init__(
        self,
        purchases: Purchases,
        poller: Poller,
        callback_url: str | None,
        timeout: float | None,
        on_update: OnUpdate | None,
        folder: Folder | None,
        requests: Requests,
        max_in_flight: int,
        turn: asyncio.Semaphore,
    ) -> None:
        self.purchases = purchases
        self.poller = poller
        self.callback_url = callback_url
        self.timeout = timeout
        self.on_update = on_update
        self.folder = folder
        """Where the files of finished tasks are saved, if they are."""
        self.read: int = 0
        self.submitted: int = 0
        self.finished: int = 0
        self.failed: int = 0
        self.jobs: set[asyncio.Task[None]] = set()
        self._requests = requests
        self._lobby = asyncio.Semaphore(max_in_flight)
        """Room for requests that wait for their uploads."""
        self._flight = asyncio.Semaphore(max_in_flight)
        self._shelf = asyncio.Semaphore(max_in_flight)
        """Room for finished tasks that wait for their download or for the reader."""
        self._turn = turn
        self._slots: dict[int, _Slot] = {}
        self._ready: deque[_Slot] = deque()
        self._changed = asyncio.Event()
        self._gate = Gate()
        self._pump: asyncio.Task[None]
        self._reading = True
        self._interrupted = False
        self._trouble: BaseException | None = None

    def start(self) -> None:
        """Begin to read requests, unless the session was closed before."""
        check_loop(self.poller.loop)
        if not self._reading:
            return
        self._pump = asyncio.create_task(self._read_all())
        self._keep(self._pump)

    async def take(self) -> Outcome:
        """Wait for the next outcome and free its slot.

        Raises:
            StopAsyncIteration: There are no more.
        """
        while not self._ready:
            if not self._reading and not self._slots:
                trouble, self._trouble = self._trouble, None
                raise trouble or StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        slot = self._ready.popleft()
        del self._slots[slot.index]
        slot.room.release()
        return self._outcome(slot)

    def in_flight(self) -> tuple[Outcome, ...]:
        """Return what is read and not taken yet."""
        return tuple(self._outcome(slot) for slot in self._slots.values())

    def abandon(self, trouble: Exception | None = None) -> None:
        """Stop: send nothing more, and record what was bought and not taken."""
        for job in self.jobs:
            job.cancel()
        self._interrupted = True
        for slot in self._slots.values():
            if isinstance(slot.error, SubmissionUnknownError):
                self.purchases.leave(slot.error)
            elif (task := self._known(slot)) is not None:
                self.purchases.leave(task)
        if self._reading or self._slots:
            self._trouble = trouble
        self._slots.clear()
        self._ready.clear()
        self._stop_reading()

    async def settled(self) -> None:
        """Wait until nothing of it runs any more."""
        await see_through(set(self.jobs))

    def _outcome(self, slot: _Slot) -> Outcome:
        return Outcome(slot.index, slot.request, self._known(slot), slot.error, slot.paths)

    def _known(self, slot: _Slot) -> Task | None:
        """Return the last known state, which for a task in flight the scheduler knows."""
        return slot.task and self.poller.known(slot.task)

    # --- The engine's own jobs --------------------------------------------------------------

    def _keep(self, job: "asyncio.Task[None]") -> None:
        self.jobs.add(job)
        job.add_done_callback(self.jobs.discard)

    async def _read_all(self) -> None:
        """Read a request whenever there is a place; stop for good if `requests` raises."""
        try:
            if self.folder is not None:
                await self.folder.open()
            following = _source(self._requests)
            while True:
                await self._flight.acquire()
                request = await following()
                if request is _END:
                    break
                check_request(request)
                slot = _Slot(self.read, request, await self._room_for(request))
                self._slots[slot.index] = slot
                self.read += 1
                self._keep(asyncio.create_task(self._generate(slot)))
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - for the reader
            if not self._interrupted:
                self._trouble = error
        self._stop_reading()

    async def _room_for(self, request: Request) -> asyncio.Semaphore:
        """Find the place to begin in: one that waits for uploads leaves the flight to others.

        It gives that place back first, since those in the lobby may be waiting for it.
        """
        if not sources_of(request):
            return self._flight
        self._flight.release()
        await self._lobby.acquire()
        return self._lobby

    def _stop_reading(self) -> None:
        self._reading = False
        self._changed.set()

    async def _generate(self, slot: _Slot) -> None:
        """Run one request to its end; whatever happens becomes its outcome."""
        try:
            submission = await self.purchases.prepare(slot.request, self.callback_url, self._gate)
            if slot.room is self._lobby:
                await slot.move(self._flight)
            # Its time under the retry policy begins when its turn has come.
            async with self._turn:
                task = await self.purchases.submit(submission, gate=self._gate)
            del submission  # a task in flight has no more use for its body
            self.submitted += 1
            self._tell(slot, task)
            tell = functools.partial(self._tell, slot) if self.on_update else None
            slot.task = task = await wait_for_end(self.poller, task, self.timeout, tell)
            if task.failed:
                slot.error = TaskFailedError(task)
            elif self.folder is not None:
                await slot.move(self._shelf)  # where it is full reading pauses
                slot.paths = await self.folder.save(task)
        except VidgoError as error:
            slot.task = error.task or slot.task
            # As data it needs no traceback, which would hold this frame and so itself.
            slot.error = error.with_traceback(None)
        except Exception as other:  # noqa: BLE001 - an outcome is owed for every request
            slot.error = VidgoError.wrapping(other, slot.task)
        self.finished += slot.error is None
        self.failed += slot.error is not None
        self._ready.append(slot)
        self._changed.set()

    def _tell(self, slot: _Slot, task: Task) -> None:
        """Tell the caller; if that fails, read no more and raise it after all outcomes."""
        slot.task = task
        if self.on_update is None:
            return
        try:
            self.on_update(task)
        except Exception as error:  # noqa: BLE001 - a progress bar must not cost a video
            self.on_update = None
            self._trouble = error
            self._interrupted = True
            self._pump.cancel()
            self._stop_reading()


class Batch:
    """The outcomes of a batch in order of completion; made by `VidgoSession.generate_many`.

    Iterate over it with `async for`. In an `async with` block the batch stops with the block;
    without one it stops when the object is dropped, as after a `break`. What had been bought
    by then and not been taken is in `VidgoSession.unclaimed`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._started = False

    @property
    def in_flight(self) -> tuple[Outcome, ...]:
        """The requests read and not yet taken as outcomes, each with its last known task."""
        return self._engine.in_flight()

    @property
    def read(self) -> int:
        """How many requests were read."""
        return self._engine.read

    @property
    def submitted(self) -> int:
        """How many of them became tasks."""
        return self._engine.submitted

    @property
    def finished(self) -> int:
        """How many ended well."""
        return self._engine.finished

    @property
    def failed(self) -> int:
        """How many ended with an error of any kind."""
        return self._engine.failed

    def __aiter__(self) -> Self:
        self._start()
        return self

    async def __anext__(self) -> Outcome:
        """Return the next outcome.

        Raises:
            StopAsyncIteration: Every request's outcome was given.
            Exception: `requests` or `on_update` raised this, unchanged.
            SessionClosedError: The session was closed.
        """
        self._start()
        return await self._engine.take()

    async def __aenter__(self) -> Self:
        self._start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._engine.abandon()
        await self._engine.settled()

    def _start(self) -> None:
        if self._started:
            return
        self._started = True
        self._engine.start()
        loop = asyncio.get_running_loop()
        weakref.finalize(self, _drop, loop, self._engine).atexit = False


def _drop(loop: asyncio.AbstractEventLoop, engine: Engine) -> None:
    """Stop a batch from a finaliser, which may run in any thread at any time."""
    with contextlib.suppress(RuntimeError):  # the loop is closed: so is the session
        loop.call_soon_threadsafe(engine.abandon)


def _source(requests: Requests) -> Callable[[], Awaitable[Any]]:
    """Read both kinds of iterables alike; `_END` comes after the last request."""
    if isinstance(requests, AsyncIterable):
        stream = aiter(requests)
        return lambda: anext(stream, _END)
    iterator = iter(requests)

    async def following() -> object:
        return next(iterator, _END)

    return following
