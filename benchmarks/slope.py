"""What a client holds in the course of a long batch: the rows of a table, the peaks, the slope.

The rows are read after a run of the cycle collector: what merely waits for it is no leak, but
costs time, so how much it had to free stands among the figures.
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

from benchmarks.gauges import Reading

LOOKS = 10
"""Looks at the gauges for each row of the table, for the peaks."""
WARM_UP = 0.5
"""The part of the batch after which memory has to be flat; the allocator's last steps are in it."""
FEWEST_ROWS = 8
"""Rows after that without which a slope means nothing."""
FLAT = 64.0
"""KiB per 1,000 outcomes: less than one task id kept for each would take."""
SPARE_TASKS = 16
"""Tasks beside those of the batch and of the HTTP requests: readers, pumps and the like."""
SPARE_SOCKETS = 8
"""Sockets beside one for each HTTP request: those that are just being closed."""


@attrs.define
class Held:
    """What the client held, from before the session was opened until after it was closed."""

    row: int
    """Outcomes from one row of the table to the next."""
    before: Reading = attrs.field(factory=Reading.now)
    rows: list[tuple[int, Reading]] = attrs.field(factory=list[tuple[int, Reading]])
    """What it held after so many outcomes."""
    most_tasks: int = 0
    most_sockets: int = 0
    after: Reading = attrs.field(init=False)
    seconds: float = 0.0
    cpu: float = 0.0
    """Seconds of the CPU."""
    complaints: list[str] = attrs.field(factory=list[str])
    """What asyncio or Python complained of, such as a socket that was not closed."""
    _begin: float = attrs.field(init=False, factory=time.perf_counter)

    def look(self, done: int) -> None:
        """Read the gauges, where so many outcomes are worth a look."""
        if done % max(1, self.row // LOOKS):
            return
        if done % self.row == 0:
            gc.collect()
        reading = Reading.now()
        self.most_tasks = max(self.most_tasks, reading.tasks)
        self.most_sockets = max(self.most_sockets, reading.sockets or 0)
        if done % self.row == 0:
            self.rows.append((done, reading))
            _print_row(f"{done:,}", time.perf_counter() - self._begin, reading)

    def slope(self) -> float | None:
        """Return the KiB by which memory grew per 1,000 outcomes after warm-up."""
        warm = [
            (done / 1000, reading.rss)
            for done, reading in self.rows
            if reading.rss is not None and done > WARM_UP * self.rows[-1][0]
        ]
        if len(warm) < FEWEST_ROWS:
            return None
        return statistics.linear_regression(*zip(*warm, strict=True)).slope

    def print_figures(self, outcomes: int) -> None:
        """Print what the rows come to."""
        print_figure("RSS slope, KiB per 1,000 outcomes", self.slope(), "+.1f")
        cyclic = self.after.cyclic - self.before.cyclic
        print_figure("cyclic garbage, objects per outcome", cyclic / outcomes, ".1f")
        print_figure("most tasks", self.most_tasks)
        print_figure("most sockets", self.most_sockets or None)
        print_figure("outcomes per second", outcomes / self.seconds, ",.0f")
        print_figure("client CPU per outcome, ms", 1000 * self.cpu / outcomes, ".2f")

    def promises(self, in_flight: int, concurrent: int) -> dict[str, bool | None]:
        """Tell what was kept, with so many tasks and HTTP requests allowed in flight."""
        base = self.before.sockets or 0
        most_sockets = base + concurrent + SPARE_SOCKETS
        return {
            f"memory grows by at most {FLAT:g} KiB per 1,000": _at_most(self.slope(), FLAT),
            "tasks are bounded": self.most_tasks <= in_flight + 2 * concurrent + SPARE_TASKS,
            "sockets are bounded": _at_most(self.most_sockets or None, most_sockets),
            "closing leaves no task": self.after.tasks == self.before.tasks,
            "closing leaves no socket": _at_most(self.after.sockets, base),
            f"no complaints {self.complaints[:3] or ''}".strip(): not self.complaints,
        }


@asynccontextmanager
async def held_during(row: int) -> AsyncGenerator[Held]:
    """Follow a batch that runs, and whose session is closed, in the body of `async with`."""
    gc.collect()
    held = Held(row)
    begin, cpu = time.perf_counter(), time.process_time()
    _print_header(held.before)
    with _complaints(held.complaints):
        yield held
        held.seconds, held.cpu = time.perf_counter() - begin, time.process_time() - cpu
        await asyncio.sleep(0.1)  # connections close in later turns of the loop
        gc.collect()
        held.after = Reading.now()
    _print_row("closed", held.seconds, held.after)


@contextmanager
def _complaints(complaints: list[str]) -> Generator[None]:
    """Collect what would otherwise only be printed."""

    def complain(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        complaints.append(str(context["message"]))

    asyncio.get_running_loop().set_exception_handler(complain)
    with warnings.catch_warnings(record=True) as caught:
        for category in (ResourceWarning, RuntimeWarning):
            warnings.simplefilter("always", category)
        yield
    complaints.extend(str(warning.message) for warning in caught)


def _at_most(value: float | None, limit: float) -> bool | None:
    return None if value is None else value <= limit


# --- Printing -------------------------------------------------------------------------------


def _print_header(before: Reading) -> None:
    print(f"{'outcomes':>10}{'seconds':>10}{'RSS KiB':>10}{'blocks':>10}", end="")
    print(f"{'tasks':>8}{'sockets':>9}")
    _print_row("before", 0.0, before)


def _print_row(name: str, seconds: float, held: Reading) -> None:
    print(f"{name:>10}{seconds:>10.1f}{_figure(held.rss):>10}{held.blocks:>10,}", end="")
    print(f"{held.tasks:>8}{_figure(held.sockets):>9}", flush=True)


def _figure(value: float | None, form: str = ",") -> str:
    return "-" if value is None else format(value, form)


def print_figure(name: str, value: float | None, form: str = ",") -> None:
    """Print one figure with its name."""
    print(f"{name:<42}{_figure(value, form):>10}")


def print_promises(promises: dict[str, bool | None]) -> bool:
    """Print what was kept; what this machine, or so short a batch, cannot tell is not broken."""
    words = {True: "kept", False: "BROKEN", None: "-"}
    print()
    for promise, kept in promises.items():
        print(f"{words[kept]:<8}{promise}")
    return False not in promises.values()
