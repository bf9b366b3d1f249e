"""Waiting for tasks: for one, or for many as they complete.

Deadlines, errors and updates are handled here, in the frame of the consumer; the poller below only
publishes events.
"""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from vidgo_async._core.concurrency import call_when_dropped
from vidgo_async._core.errors import SessionClosedError, TaskTimeoutError, VidgoError
from vidgo_async._core.models import UNSEEN, Task, task_of
from vidgo_async._polling.poller import Poller
from vidgo_async._polling.subscription import Subscription

OnUpdate = Callable[[Task], object]
"""Called with each new state of a task, the last one included."""


async def wait_for_end(
    poller: Poller,
    task: Task,
    *,
    timeout: float | None,
    started_at: float | None = None,
    on_update: OnUpdate | None = None,
    waits: set[Subscription] | None = None,
) -> Task:
    """Wait until a task ended, well or badly.

    Args:
        poller: What polls it.
        task: The task as last known.
        timeout: Seconds; None for no limit.
        started_at: The loop's time from which they count; now by default.
        on_update: Called with each new state, the last one too.
        waits: Where the wait is to be found while it lasts, to be paused and resumed.

    Raises:
        TaskTimeoutError: It did not end in time.
        VidgoError: The server refuses to tell, or the session was closed.
    """
    subscription = Subscription(timeout, started_at, wants_updates=on_update is not None)
    waits = set() if waits is None else waits
    waits.add(subscription)
    try:
        poller.watch({task.task_id: task}, subscription)
        while not task.done:
            task = await _next_state(poller, subscription, task, timeout)
            if on_update is not None:
                on_update(task)
    finally:
        waits.discard(subscription)
        poller.unwatch(subscription)
    return task


async def _next_state(
    poller: Poller, subscription: Subscription, task: Task, timeout: float | None
) -> Task:
    try:
        state = await subscription.get()
    except VidgoError as error:
        if error.task is None:
            error.about(_last_known(subscription, task))
        if isinstance(error, SessionClosedError):
            msg = f"{error.message}; task {task.task_id} goes on: wait for it again by its id"
            raise error.own_copy(msg) from None
        raise
    if state is not None:
        return state
    known = _last_known(subscription, task)
    status = known.status if known.progress is None else f"{known.status}, {known.progress:g} %"
    last_error = poller.last_error(known.task_id)
    reason = "" if last_error is None else f"; the last poll failed: {last_error}"
    msg = (
        f"task {known.task_id} did not end within {timeout:g} s (last known: {status}{reason}); "
        "it goes on: wait for it again by its id"
    )
    raise TaskTimeoutError(msg, (known.task_id,), known) from last_error


def _last_known(subscription: Subscription, task: Task) -> Task:
    return task_of(subscription.pending.get(task.task_id, task))


class Completions:
    """Tasks in the order in which they complete; made by `VidgoSession.as_completed`.

    Iterate over it with `async for`, as often as you like: a second loop goes on with the
    rest. In an `async with` block the polling ends with the block; without one it ends when
    the object is dropped, as after a `break`.
    """

    def __init__(self, poller: Poller, tasks: Sequence[Task | str], timeout: float | None) -> None:
        self._poller = poller
        self._tasks = _distinct(tasks)
        self._timeout = timeout
        self._subscription: Subscription | None = None
        self._over = False

    @property
    def pending(self) -> tuple[str, ...]:
        """The ids not yet given to the consumer, as a task or as an error."""
        if self._subscription is None:
            return tuple(self._tasks)
        return tuple(self._subscription.pending)

    def __aiter__(self) -> Self:
        self._start()
        return self

    async def __aenter__(self) -> Self:
        self._start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    async def __anext__(self) -> Task:
        """Return the next task that ended.

        Raises:
            StopAsyncIteration: All tasks were given.
            TaskTimeoutError: The deadline passed; `pending` names what had not ended.
            VidgoError: The server refuses to tell of one task, named by `task_id`, or the
                session was closed.
        """
        subscription = self._start()
        task = None if self._over else await subscription.get()
        if task is not None:
            return task
        if self._over or not subscription.pending:
            self._stop()
            raise StopAsyncIteration
        self._stop()
        msg = (
            f"{len(self.pending)} of {len(self._tasks)} tasks did not end within "
            f"{self._timeout:g} s; they go on: wait for them again by their ids"
        )
        raise TaskTimeoutError(msg, self.pending)

    def _start(self) -> Subscription:
        if self._subscription is None:
            self._poller.check_loop()
            self._subscription = Subscription(self._timeout)
            self._poller.watch(self._tasks, self._subscription)
            self._poller.pause_without_consumer(self._subscription)
            # The poller knows the subscription, not this object: dropping it ends the polling.
            call_when_dropped(self, self._poller.end, self._subscription)
        return self._subscription

    def _stop(self) -> None:
        self._over = True
        self._poller.end(self._start())


def _distinct(tasks: Sequence[Task | str]) -> dict[str, Task | str]:
    """Keep one task of each id: of several the one that ended, or that says most."""
    found: dict[str, Task | str] = {}
    for task in tasks:
        task_id = task if isinstance(task, str) else task.task_id
        known = found.get(task_id)
        if known is None or _says_more(task, known):
            found[task_id] = task
    return found


def _says_more(task: Task | str, known: Task | str) -> bool:
    return isinstance(task, Task) and (task.done or task_of(known).status == UNSEEN)
