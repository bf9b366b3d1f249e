"""What users hold of `generate_many`: a `Batch`, which yields `Outcome`s."""

from itertools import islice
from types import TracebackType
from typing import Self

from vidgo_async._core.concurrency import call_when_dropped
from vidgo_async._generation.engine import Engine
from vidgo_async._generation.outcome import Outcome, Pending
from vidgo_async._generation.slot import Slot


class Batch:
    """The outcomes of a batch in order of completion; made by `VidgoSession.generate_many`.

    Iterate over it with `async for`. In an `async with` block the batch stops with the block;
    without one it stops when the object is dropped, as after a `break`. What had been bought
    by then and not been yielded is in `VidgoSession.unclaimed`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._started = False

    @property
    def in_flight(self) -> tuple[Pending, ...]:
        """The requests read and not yet yielded as outcomes, each with its last known task."""
        return tuple(map(self._pending, self._engine.slots.values()))

    def newest(self, count: int) -> tuple[Pending, ...]:
        """Return the requests that were read last, the newest first: cheap with thousands in flight."""
        slots = reversed(self._engine.slots.values())
        return tuple(map(self._pending, islice(slots, count)))

    @property
    def read(self) -> int:
        """How many requests were read."""
        return self._engine.read

    @property
    def submitted(self) -> int:
        """How many tasks were bought for them, those of `retries` too."""
        return self._engine.submitted

    @property
    def finished(self) -> int:
        """How many ended well."""
        return self._engine.finished

    @property
    def failed(self) -> int:
        """How many ended with an error of any kind."""
        return self._engine.failed

    def stop(self) -> None:
        """Read and submit nothing more, and go on to yield what was bought.

        What was read and not sent yet is yielded with a `NotSentError`: nothing was bought for it.
        Iterate on until the end, to lose nothing. It may be called again.
        """
        self._engine.stop_submitting()

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
        return self._outcome(await self._engine.next_done())

    async def __aenter__(self) -> Self:
        self._start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._engine.stop()
        await self._engine.wait_closed()

    def _start(self) -> None:
        if self._started:
            return
        self._started = True
        self._engine.start(self)
        # The engine's tasks do not know this object: dropping it stops them.
        call_when_dropped(self, self._engine.stop)

    def _pending(self, slot: Slot) -> Pending:
        return Pending(slot.index, slot.request, self._engine.last_known(slot))

    def _outcome(self, slot: Slot) -> Outcome:
        return slot.outcome(self._engine.last_known(slot))
