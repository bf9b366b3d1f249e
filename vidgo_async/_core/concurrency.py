"""Tasks that are owned, awaited and ended as one; cancellation that waits for them."""

import asyncio
import contextlib
import contextvars
import sys
import weakref
from collections.abc import Callable, Coroutine, Iterator
from collections.abc import Set as AbstractSet
from typing import Any, TypeVar, TypeVarTuple

import anyio

_Value = TypeVar("_Value")
_Args = TypeVarTuple("_Args")


def now() -> float:
    """Return the running loop's time, in seconds."""
    return asyncio.get_running_loop().time()


async def wait_shielded(tasks: AbstractSet["asyncio.Task[Any]"]) -> None:
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


def mark_retrieved(task: "asyncio.Task[Any]") -> None:
    """Keep asyncio from logging the exception of a task that is not asked for its result."""
    if not task.cancelled():
        task.exception()


class TaskSet:
    """Tasks of one owner, which keeps them alive, and cancels and awaits them together."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

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
        task = asyncio.get_running_loop().create_task(coroutine, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def cancel(self) -> None:
        """Ask all tasks to end."""
        for task in self:
            task.cancel()

    async def wait(self) -> None:
        """Wait until all tasks ended, and only then let a cancellation through."""
        await wait_shielded(set(self._tasks))


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
