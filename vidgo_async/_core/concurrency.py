"""Tasks that are owned and awaited to their end, worker threads."""

import asyncio
import contextlib
import contextvars
import sys
import weakref
from collections.abc import Callable, Coroutine, Iterator
from collections.abc import Set as AbstractSet
from typing import Any, TypeVar, TypeVarTuple

import anyio
import anyio.to_thread

_Value = TypeVar("_Value")
_Args = TypeVarTuple("_Args")


def now() -> float:
    """Return the running loop's time, in seconds."""
    return asyncio.get_running_loop().time()


LATE = 0.1
"""Seconds by which a timer rings late where the loop was blocked, or the process stopped."""
GRACE = 0.75
"""Seconds that a deadline which rings late leaves to read what came meanwhile."""


async def wait_until(tasks: AbstractSet["asyncio.Task[Any]"], deadline: float) -> bool:
    """Wait for tasks until a time of the loop, and a little longer if that rings late.

    Returns:
        Whether all are done.
    """
    _, pending = await asyncio.wait(tasks, timeout=max(0.0, deadline - now()))
    if pending and now() - deadline > LATE:
        _, pending = await asyncio.wait(pending, timeout=GRACE)
    return not pending


async def wait_shielded(tasks: AbstractSet["asyncio.Future[Any]"]) -> None:
    """Wait until all tasks ended, and only then let a cancellation through.

    Results and exceptions stay in the tasks.
    """
    if not tasks:
        return
    try:
        await asyncio.wait(tasks)
    except asyncio.CancelledError:
        # A cancelled scope of anyio's would cancel each further wait, were there no shield; a
        # native cancellation goes through the shield, hence the loop.
        with anyio.CancelScope(shield=True):
            while not all(task.done() for task in tasks):
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait(tasks)
        for task in tasks:
            mark_retrieved(task)  # the caller is cancelled, and asks none of them
        raise


async def run_shielded(coroutine: Coroutine[Any, Any, _Value]) -> _Value:
    """Run a coroutine to its end, and only then let a cancellation through."""
    task = asyncio.create_task(coroutine)
    await wait_shielded({task})
    return task.result()


class Closing:
    """Closes something for all who ask, once and to its end.

    Where other code cancels it, as a second Ctrl-C does with all tasks, it begins anew for the
    callers that wait. So each step of closing must be safe to repeat.
    """

    def __init__(self, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._close = close
        self._task: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        """Whether it was closed, or failed to."""
        return self._task is not None and self._task.done() and not self._task.cancelled()

    def begin(self) -> "asyncio.Task[None]":
        """Begin to close it, unless that was done."""
        if self._task is None or self._task.cancelled():
            self._task = asyncio.create_task(self._close())
        return self._task

    async def wait(self) -> None:
        """Close it, and only then let a cancellation through."""
        try:
            while not self.is_over:
                await wait_shielded({self.begin()})
        except asyncio.CancelledError:
            while not self.is_over:  # the task that closes was cancelled with its caller
                with contextlib.suppress(asyncio.CancelledError):
                    await wait_shielded({self.begin()})
            mark_retrieved(self.begin())
            raise
        self.begin().result()


def mark_retrieved(task: "asyncio.Future[Any]") -> None:
    """Keep asyncio from logging the exception of a task that is not asked for its result."""
    if not task.cancelled():
        task.exception()


LARGE = 2**20
"""Bytes, or characters, from which on JSON is encoded, decoded and hashed in a thread: on the loop it
would hold all others for milliseconds."""
MAX_THREADS = 40
"""Worker threads of one session at a time; as many as anyio's common limiter allows."""


class Threads:
    """The worker threads of a session: all blocking work of its files runs here.

    They have a limit of their own. anyio's common one may be used up by the caller's own threads,
    each of which waits for this session: the sync endpoints of a web app.
    """

    def __init__(self) -> None:
        self._limiter: anyio.CapacityLimiter | None = None

    async def run(self, func: Callable[[*_Args], _Value], *args: *_Args) -> _Value:
        """Run a blocking function in a thread.

        A thread cannot be stopped: where the end must be awaited use `run_shielded` on top.
        """
        if self._limiter is None:  # the first loads a part of anyio, which takes 50 ms
            self._limiter = anyio.CapacityLimiter(MAX_THREADS)
        return await anyio.to_thread.run_sync(func, *args, limiter=self._limiter)


class TaskSet:
    """Tasks of one owner, which keeps them alive, and cancels and awaits them together."""

    def __init__(self, on_end: Callable[["asyncio.Task[Any]"], object] = lambda _: None) -> None:
        self._tasks: dict[asyncio.Task[Any], None] = {}
        """In the order in which they were started: in that order they wait, and are cancelled, since
        what waits for a semaphore is looked for from the front."""
        self._on_end = on_end
        """Called with each task that ended."""
        self._empty: asyncio.Future[None] | None = None
        """What `wait` waits for: to watch ten thousand tasks one by one would hold the loop."""

    def __iter__(self) -> Iterator["asyncio.Task[Any]"]:
        return iter(tuple(self._tasks))

    def __len__(self) -> int:
        return len(self._tasks)

    def start(
        self,
        coroutine: Coroutine[Any, Any, _Value],
        context: contextvars.Context | None = None,
    ) -> "asyncio.Task[_Value]":
        """Start a task; it leaves the set when it ends."""
        # Not by the loop's factory: an eager one takes the first step before the task is known.
        loop = asyncio.get_running_loop()
        task = asyncio.Task(coroutine, loop=loop, context=context)
        self._tasks[task] = None
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.pop(task, None)
        if self._empty is not None and not self._tasks:
            self._empty.set_result(None)
            self._empty = None
        self._on_end(task)

    def cancel(self) -> None:
        """Ask all tasks to end."""
        for task in self:
            task.cancel()

    async def join(self) -> None:
        """Wait until all tasks ended; a cancellation goes through at once."""
        if self._tasks:
            await asyncio.wait({self._until_empty()})

    async def wait(self) -> None:
        """Wait until all tasks ended, and only then let a cancellation through."""
        if self._tasks:
            await wait_shielded({self._until_empty()})

    def _until_empty(self) -> "asyncio.Future[None]":
        self._empty = self._empty or asyncio.get_running_loop().create_future()
        return self._empty


def call_when_dropped(owner: object, callback: Callable[[*_Args], object], *args: *_Args) -> None:
    """Have the running loop call back once `owner` is collected.

    The callback must not refer to the owner. A finaliser may run in any thread at any time, so it
    does no more than call the loop.
    """
    loop = asyncio.get_running_loop()

    def finalise() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, and so is the session
            loop.call_soon_threadsafe(callback, *args)

    weakref.finalize(owner, finalise).atexit = False


def check_asyncio() -> None:
    """Refuse any async library but asyncio, since aiohttp runs on no other.

    Raises:
        RuntimeError: Another one runs this coroutine, or none.
    """
    library = _async_library()
    if library != "asyncio":
        found = f"this is {library}" if library else "no event loop runs here"
        msg = f"vidgo_async needs asyncio, and {found}: use asyncio.run(main()) or anyio.run(main)"
        raise RuntimeError(msg)


def _async_library() -> str | None:
    """Return the name of what runs this coroutine, if that is known."""
    sniffio = sys.modules.get("sniffio")  # trio imports it; without it, it is asyncio or nothing
    if sniffio is not None:
        with contextlib.suppress(RuntimeError):  # it does not know
            return str(sniffio.current_async_library())
    with contextlib.suppress(RuntimeError):  # none runs
        asyncio.get_running_loop()
        return "asyncio"
    return None
