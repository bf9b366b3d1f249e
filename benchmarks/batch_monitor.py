"""Memory, tasks and sockets of a client during a long batch: a table, the peaks and the slope.

The rows are read after a run of the cycle collector, because garbage that waits for it is no leak.
Collecting it costs time, so the number of objects that it freed is among the figures.
"""

import asyncio
import gc
import statistics
import time
import warnings
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import attrs

from benchmarks.process_stats import ProcessStats

SAMPLES = 10
"""Snapshots for each row of the table, from which the peaks are taken."""
WARM_UP = 0.5
"""The first part of the batch, which the slope ignores: the allocator still grows in it."""
MIN_ROWS = 8
"""The fewest rows after warm-up for a slope that means anything."""
MAX_SLOPE = 64.0
"""KiB per 1,000 outcomes: less than one task id kept for each outcome would take."""
SPARE_TASKS = 16
"""Tasks beside those of the batch and of the HTTP requests, such as readers."""
SPARE_SOCKETS = 8
"""Sockets beside one for each HTTP request: those that are being closed."""


@attrs.define
class BatchMonitor:
    """Snapshots of the client from before its session is opened until after it is closed."""

    row: int
    """Outcomes between two rows of the table."""
    before: ProcessStats = attrs.field(factory=ProcessStats.now)
    rows: list[tuple[int, ProcessStats]] = attrs.field(factory=list[tuple[int, ProcessStats]])
    """Number of outcomes so far, and the snapshot taken then."""
    max_tasks: int = 0
    max_sockets: int = 0
    after: ProcessStats = attrs.field(init=False)
    seconds: float = 0.0
    cpu: float = 0.0
    """Seconds of CPU."""
    warnings: list[str] = attrs.field(factory=list[str])
    """Warnings of asyncio and Python, such as an unclosed socket."""
    _begin: float = attrs.field(init=False, factory=time.perf_counter)

    def record(self, done: int) -> None:
        """Take a snapshot if one is due after so many outcomes."""
        if done % max(1, self.row // SAMPLES):
            return
        if done % self.row == 0:
            gc.collect()
        stats = ProcessStats.now()
        self.max_tasks = max(self.max_tasks, stats.tasks)
        self.max_sockets = max(self.max_sockets, stats.sockets or 0)
        if done % self.row == 0:
            self.rows.append((done, stats))
            _print_row(f"{done:,}", time.perf_counter() - self._begin, stats)

    def slope(self) -> float | None:
        """Return the growth of memory after warm-up, in KiB per 1,000 outcomes."""
        warm = [
            (done / 1000, stats.rss)
            for done, stats in self.rows
            if stats.rss is not None and done > WARM_UP * self.rows[-1][0]
        ]
        if len(warm) < MIN_ROWS:
            return None
        return statistics.linear_regression(*zip(*warm, strict=True)).slope

    def print_figures(self, outcomes: int) -> None:
        """Print the summary of the rows."""
        print_figure("RSS slope, KiB per 1,000 outcomes", self.slope(), "+.1f")
        cyclic = self.after.cyclic - self.before.cyclic
        print_figure("cyclic garbage, objects per outcome", cyclic / outcomes, ".1f")
        print_figure("peak tasks", self.max_tasks)
        print_figure("peak sockets", self.max_sockets or None)
        print_figure("outcomes per second", outcomes / self.seconds, ",.0f")
        print_figure("client CPU per outcome, ms", 1000 * self.cpu / outcomes, ".2f")

    def promises(self, in_flight: int, concurrent: int) -> dict[str, bool | None]:
        """Return which promises were kept, given the allowed tasks and HTTP requests in flight."""
        base = self.before.sockets or 0
        max_sockets = base + concurrent + SPARE_SOCKETS
        return {
            f"memory grows by at most {MAX_SLOPE:g} KiB per 1,000": _at_most(
                self.slope(), MAX_SLOPE
            ),
            "tasks are bounded": self.max_tasks <= in_flight + 2 * concurrent + SPARE_TASKS,
            "sockets are bounded": _at_most(self.max_sockets or None, max_sockets),
            "closing leaves no task": self.after.tasks == self.before.tasks,
            "closing leaves no socket": _at_most(self.after.sockets, base),
            f"no warnings {self.warnings[:3] or ''}".strip(): not self.warnings,
        }


@asynccontextmanager
async def monitor_batch(row: int) -> AsyncGenerator[BatchMonitor]:
    """Monitor the batch in the body of `async with`, which opens and closes the session."""
    gc.collect()
    monitor = BatchMonitor(row)
    begin, cpu = time.perf_counter(), time.process_time()
    _print_header(monitor.before)
    with _collect_warnings(monitor.warnings):
        yield monitor
        monitor.seconds, monitor.cpu = time.perf_counter() - begin, time.process_time() - cpu
        await asyncio.sleep(0.1)  # connections close in later iterations of the loop
        gc.collect()
        monitor.after = ProcessStats.now()
    _print_row("closed", monitor.seconds, monitor.after)


@contextmanager
def _collect_warnings(messages: list[str]) -> Generator[None]:
    """Collect what asyncio and Python would otherwise print."""

    def on_loop_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        messages.append(str(context["message"]))

    asyncio.get_running_loop().set_exception_handler(on_loop_error)
    with warnings.catch_warnings(record=True) as caught:
        for category in (ResourceWarning, RuntimeWarning):
            warnings.simplefilter("always", category)
        yield
    messages.extend(str(warning.message) for warning in caught)


def _at_most(value: float | None, limit: float) -> bool | None:
    return None if value is None else value <= limit


# --- Printing -------------------------------------------------------------------------------


def _print_header(before: ProcessStats) -> None:
    print(f"{'outcomes':>10}{'seconds':>10}{'RSS KiB':>10}{'blocks':>10}", end="")
    print(f"{'tasks':>8}{'sockets':>9}")
    _print_row("before", 0.0, before)


def _print_row(name: str, seconds: float, stats: ProcessStats) -> None:
    print(f"{name:>10}{seconds:>10.1f}{_figure(stats.rss):>10}{stats.blocks:>10,}", end="")
    print(f"{stats.tasks:>8}{_figure(stats.sockets):>9}", flush=True)


def _figure(value: float | None, form: str = ",") -> str:
    return "-" if value is None else format(value, form)


def print_figure(name: str, value: float | None, form: str = ",") -> None:
    """Print one figure with its name."""
    print(f"{name:<42}{_figure(value, form):>10}")


def print_promises(promises: dict[str, bool | None]) -> bool:
    """Print which promises were kept; None is for what could not be measured here."""
    states = {True: "kept", False: "BROKEN", None: "-"}
    print()
    for promise, kept in promises.items():
        print(f"{states[kept]:<8}{promise}")
    return False not in promises.values()
