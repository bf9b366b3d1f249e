"""A batch that is shown while its outcomes are taken: `progress`."""

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from vidgo_async._core.concurrency import call_when_dropped
from vidgo_async._generation.outcome import Outcome
from vidgo_async.progress.modes import Mode
from vidgo_async.progress.view import View

if TYPE_CHECKING:
    from vidgo_async._generation.batch import Batch


def progress(
    batch: "Batch",
    total: int | None = None,
    *,
    mode: Mode = Mode.AUTO,
    stream: TextIO | None = None,
) -> "Progress":
    """Show a batch while its outcomes are taken.

        async for outcome in progress(vidgo.generate_many(requests), total=len(requests)):
            print(outcome.index, outcome.error or outcome.task.files)

    Args:
        batch: The batch.
        total: How many requests there are; None where that is unknown: then there is neither a bar
            nor a time left, only counts.
        mode: How to show it.
        stream: Where to show it; None for standard error, or the notebook.

    Raises:
        ImportError: A bar on a terminal needs rich: `pip install 'vidgo_async[cli]'`.
    """
    return Progress(batch, View(batch, total, mode=mode, stream=stream, takes_prints=True))


class Progress:
    """The outcomes of a batch, which is shown while they are taken; made by `progress`.

    Use it as the batch itself: with `async for`, alone or in an `async with` block, which also ends
    the batch. The view ends with the last outcome, with the block, when the object is dropped, as
    after a `break`, and when the task that takes the outcomes is cancelled.

    What is printed on the terminal meanwhile goes above the bar.
    """

    def __init__(self, batch: "Batch", view: View) -> None:
        self._batch = batch
        self._view = view
        # The view does not know this object: dropping it ends the view, and perhaps the batch.
        call_when_dropped(self, view.stop)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        """Return the next outcome.

        Raises:
            StopAsyncIteration: Every request's outcome was given.
            Exception: As the batch's own `anext`.
        """
        self._view.start()
        try:
            outcome = await anext(self._batch)
        except (Exception, asyncio.CancelledError):
            await self._view.aclose()
            raise
        self._view.add(outcome)
        return outcome

    async def __aenter__(self) -> Self:
        _ = await self._batch.__aenter__()
        self._view.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self._batch.__aexit__(kind, error, traceback)
        finally:
            await self._view.aclose()
