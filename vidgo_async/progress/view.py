"""What shows a batch while it runs: the part that the program and `progress` share."""

import asyncio
import contextlib
import importlib.util
import sys
import weakref
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Self, TextIO

import attrs

from vidgo_async._core.concurrency import now, run_shielded, wait_shielded
from vidgo_async._generation.outcome import Outcome
from vidgo_async.progress.cleaning import clean_line
from vidgo_async.progress.modes import Mode, find_place, fitting, is_terminal
from vidgo_async.progress.notebook import Display
from vidgo_async.progress.output import Output
from vidgo_async.progress.prints import Printed, Prints
from vidgo_async.progress.screen import Renderer, Screen
from vidgo_async.progress.snapshot import Credits, Snapshot, Tally, Watched, take
from vidgo_async.progress.text import end_line, heartbeat
from vidgo_async.progress.writer import Writer

INTERVAL = 0.2
"""Seconds between two refreshes of a bar or a display."""
REDRAW = 1.0
"""Seconds after which a bar is drawn anew though nothing changed: other code may have written over
it, or the terminal may have another size."""
GRACE = 2.0
"""Seconds that the end of a view waits for a terminal that takes nothing."""
HEARTBEAT = 30.0
"""Seconds between two lines that say how far a batch is, where there is no terminal."""


class View:
    """Shows a batch in an `async with` block; lines come in order, and above the bar if there is one.

    It never waits for a terminal, and no failure to write reaches the batch. Where it cannot draw,
    it prints lines: see `Mode`. So does a second view while one that `takes_prints` draws a bar. It
    is made and used on the event loop, and holds no reference to the batch that keeps it alive.

    Args:
        batch: A batch of `generate_many`, or what has the same counts.
        total: How many requests there are; None where that is unknown.
        mode: How to show it.
        stream: Where to show it; None for standard error, or the notebook.
        spent: What the batch cost so far in credits, or None where that is unknown. Without it, the
            costs of the finished tasks are added up.
        takes_prints: Whether lines that other code prints on the terminal go above the bar:
            `sys.stdout` and `sys.stderr` are replaced as long as it is shown.

    Raises:
        ImportError: A bar needs rich, which is not installed.
    """

    def __init__(
        self,
        batch: Watched,
        total: int | None,
        *,
        mode: Mode = Mode.AUTO,
        stream: TextIO | None = None,
        spent: Callable[[], float | None] | None = None,
        takes_prints: bool = False,
    ) -> None:
        self._batch = weakref.ref(batch)
        self._total = total
        self._spent = spent
        self._output = Output(stream or sys.stderr)
        self._results = Output(sys.stdout)
        place = find_place(self._output.stream, stream)
        self._mode = fitting(mode, place)
        is_bar = self._mode is Mode.BAR and not place.is_notebook
        if is_bar and importlib.util.find_spec("rich") is None:
            msg = "a progress bar needs rich: pip install 'vidgo_async[cli]'"
            raise ImportError(msg)
        self._screen = Screen(self._output, _new_bar if is_bar else None)
        self._display = Display() if self._mode is Mode.BAR and place.is_notebook else None
        self._prints = Prints(self._print_printed) if takes_prints and is_bar else None
        self._writer = Writer()
        is_shared = self._results.is_same_as(self._output)
        self._result_writer = self._writer if is_shared else Writer()
        self._tally = Tally(now())
        self._shown: tuple[Snapshot, float] | None = None
        self._ticker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def start(self) -> None:
        """Show the batch from now on; without effect while it is shown."""
        if self._ticker is None and self._mode is not Mode.NONE:
            self._ticker = asyncio.create_task(self._show())

    def stop(self) -> None:
        """Erase the bar, soon; without effect where there is none."""
        if self._ticker is not None:
            _ = self._ticker.cancel()
            self._ticker = None

    async def aclose(self) -> None:
        """Erase the bar, and wait until all is written.

        A terminal that takes nothing, or a caller that is cancelled, is given `GRACE` seconds; what
        is not written by then still may be before the process ends. A slow reader of a pipe is
        waited for.
        """
        ticker = self._ticker
        self.stop()
        try:
            if ticker is not None:
                await wait_shielded({ticker})
            for writer, output in self._writers():
                if not is_terminal(output.stream):
                    await writer.wait_idle()
        finally:
            await run_shielded(self._wait_written())

    # --- Lines ------------------------------------------------------------------------------

    def add(self, outcome: Outcome) -> None:
        """Count an outcome; print a line about it if it is a failure, or where there is no bar."""
        self._tally.add(outcome, now())
        if outcome.error is None and self._mode is not Mode.TEXT:
            return
        seconds = None if outcome.task is None else self._tally.seconds(outcome.task)
        self.print(end_line(outcome, self._tally.outcomes, self._total, seconds))

    def print(self, line: str) -> None:
        """Print any other line."""
        self._writer.add(partial(self._screen.print, clean_line(line)))

    def write(self, line: str) -> None:
        """Write a line of results on standard output."""
        if is_terminal(self._results.stream):
            line = clean_line(line)
        if self._result_writer is self._writer:
            self._writer.add(partial(self._screen.print, line, self._results))
        else:
            self._result_writer.add(partial(self._results.write, line + "\n"))

    def _print_printed(self, line: str, stream: TextIO) -> None:
        """Print a line of other code as it is, in whatever thread that runs."""
        self._writer.add_from_thread(partial(self._screen.print, line, Output(stream)))

    def _writers(self) -> tuple[tuple[Writer, Output], ...]:
        return (self._writer, self._output), (self._result_writer, self._results)

    async def _wait_written(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                for writer, _ in self._writers():
                    await writer.wait_idle()

    # --- Refreshes --------------------------------------------------------------------------

    async def _show(self) -> None:
        """Refresh until this is cancelled, or the batch is dropped."""
        self._shown = None
        if self._screen.has_bar and isinstance(sys.stderr, Printed):
            self._print_above_another_bar()
        interval = INTERVAL
        if self._mode is Mode.TEXT:
            interval = HEARTBEAT
            await asyncio.sleep(interval)
        if self._prints is not None:
            self._prints.open()
        try:
            while True:
                if not self._refresh():
                    return
                await asyncio.sleep(interval)
        finally:
            if self._prints is not None:
                self._prints.close()
            if self._display is not None:
                self._display.close(self._snapshot())
            self._writer.add(self._screen.close)

    def _print_above_another_bar(self) -> None:
        """Print lines, since another view draws its bar on the terminal."""
        self._mode, self._prints = Mode.TEXT, None
        self._output = Output(sys.stderr)
        self._screen = Screen(self._output)

    def _refresh(self) -> bool:
        """Show the batch as it is now; tell whether there still is one."""
        if not self._writer.is_idle:  # the terminal has not taken the last one
            return True
        snapshot = self._snapshot()
        if snapshot is not None:
            self._show_snapshot(snapshot)
        return snapshot is not None

    def _snapshot(self) -> Snapshot | None:
        batch = self._batch()
        if batch is None:
            return None
        snapshot = take(batch, self._tally, self._total, now())
        if self._spent is not None:
            snapshot = attrs.evolve(snapshot, credits=_as_credits(self._spent()))
        return snapshot

    def _show_snapshot(self, snapshot: Snapshot) -> None:
        if self._mode is Mode.TEXT:
            self.print(heartbeat(snapshot))
        elif self._is_new(snapshot):
            if self._display is not None:
                self._display.show(snapshot)
            else:
                self._writer.add(partial(self._screen.draw, snapshot))

    def _is_new(self, snapshot: Snapshot) -> bool:
        """Tell whether a snapshot is to be shown: it has changed, or the last is old."""
        if self._shown is not None:
            before, shown_at = self._shown
            is_old = self._display is None and now() - shown_at >= REDRAW
            if snapshot == before and not is_old:
                return False
        self._shown = snapshot, now()
        return True


def _as_credits(spent: float | None) -> Credits | None:
    return None if spent is None else Credits(spent, is_complete=True)


def _new_bar(output: Output) -> Renderer:
    # Imported in the thread that draws: rich takes a while, and is an extra.
    from vidgo_async.progress.bar import Bar  # noqa: PLC0415

    return Bar(output)
