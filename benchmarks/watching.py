"""Memory per watched task, and the lag of the event loop, with many tasks in one session.

Each number of tasks is measured in a new process. The memory of the session is what is added to
the caller's own list of tasks, from before `as_completed` until each task has been polled twice.
The memory of one task is the slope between a tenth of the tasks and all of them.
"""

import argparse
import asyncio
import contextlib
import functools
import gc
import http.client
import json
import statistics
import subprocess
import sys
import time
from array import array
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import attrs

from benchmarks import checkouts
from benchmarks.checkouts import OTHER, OURS, Environment
from benchmarks.fake_server import FakeServer, VidgoApi, serve
from benchmarks.pairs import Ratio, run_rounds
from benchmarks.process_stats import ProcessStats
from benchmarks.tables import print_table
from vidgo_async import Completions, FixedPolling, SessionClosedError, Task, VidgoSession

QUESTION = "how much memory does a watched task take, and does the loop lag with 100,000 of them?"

POLLS_PER_SECOND = 1000.0
MAX_JITTER = 1.2
"""The session lengthens each interval by up to a fifth, a tenth on average."""
CONCURRENT = 64
"""HTTP requests in flight at once."""
LAG_STEP = 0.005
"""Seconds between two measurements of the loop's lag."""
MAX_KIB = 1.0
"""Target: KiB per watched task."""
MAX_LAG = 20.0
"""Target: milliseconds, of the 99th percentile."""
MAX_CLOSING = 1.0
"""Target: seconds."""
KEY = "a-key-for-a-fake-server"
POLL_COUNTS = "/poll-counts"

LINES = {
    "RSS of the session, KiB": "{session_kib:,.0f}",
    "RSS with the caller's own tasks, KiB": "{all_kib:,.0f}",
    "blocks of the session": "{session_blocks:,.0f}",
    "seconds to begin, in which the loop is blocked": "{begin:.3f}",
    "polls per second": "{polls_per_second:,.0f}",
    "polls of each task, at least": "{min_polls:.0f}",
    "CPU of the client": "{cpu:.0%}",
    "lag of the loop, p50, ms": "{lag_p50:.1f}",
    "lag of the loop, p99, ms": "{lag_p99:.1f}",
    "lag of the loop, max, ms": "{lag_max:.1f}",
    "seconds to close": "{close:.3f}",
}

COMPARED = {
    "seconds to begin": "begin",
    "CPU of the client": "cpu",
    "lag of the loop, p50": "lag_p50",
    "lag of the loop, p99": "lag_p99",
    "lag of the loop, max": "lag_max",
    "seconds to close": "close",
}
"""Figures that are compared with another checkout, beside the memory per task."""

_Figures = Mapping[str, float]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        "--tasks", type=int, default=100_000, metavar="N", help="and a tenth of it; default 100000"
    )
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="default 1")
    checkouts.add_option(parser)


def run(options: argparse.Namespace) -> bool:
    """Watch a tenth of the tasks, then all of them; print the medians over the rounds."""
    with (
        checkouts.environments(options.against) as sides,
        serve(functools.partial(PollCountingApi, sys.maxsize)) as server,
    ):
        contenders = {
            name: functools.partial(Run.measure, server, options.tasks, environment)
            for name, environment in sides.items()
        }
        runs = run_rounds(contenders, options.rounds)
    print(f"one session that watches tasks, {POLLS_PER_SECOND:,.0f} polls a second")
    for name, measured in runs.items():
        _print_side(name, options.tasks, measured)
    if OTHER in runs:
        _print_ratios(runs[OURS], runs[OTHER])
    many = _medians([each.many for each in runs[OURS]])
    return (
        statistics.median(each.per_task("session_kib") for each in runs[OURS]) <= MAX_KIB
        and many["min_polls"] >= 2
        and many["lag_p99"] < MAX_LAG
        and many["close"] < MAX_CLOSING
    )


@attrs.frozen
class Run:
    """The figures of one round: of a tenth of the tasks, and of all of them."""

    tasks: int
    few: _Figures
    many: _Figures

    @classmethod
    def measure(cls, server: FakeServer, tasks: int, environment: Environment) -> "Run":
        """Run the two processes."""
        few, many = (_measure(server, count, environment) for count in (tasks // 10, tasks))
        return cls(tasks, few, many)

    def per_task(self, figure: str) -> float:
        """Return the slope of a figure."""
        return (self.many[figure] - self.few[figure]) / (self.tasks - self.tasks // 10)


def _measure(server: FakeServer, count: int, environment: Environment) -> _Figures:
    """Watch so many tasks in a new process."""
    child = subprocess.run(  # noqa: S603 - our own module
        checkouts.python("-m", "benchmarks.watching", server.url, str(count)),
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    figures = json.loads(child.stdout)
    polls_per_second = server.take_request_count() / figures["seconds"]
    min_polls = _min_polls(server, count)
    return {**figures, "polls_per_second": polls_per_second, "min_polls": min_polls}


def _min_polls(server: FakeServer, count: int) -> int:
    """Ask the server how often the least polled task was polled."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    with contextlib.closing(connection):
        connection.request("GET", POLL_COUNTS)
        polls: list[int] = json.load(connection.getresponse())
    server.take_request_count()  # so that this request is not counted
    return min(polls) if len(polls) == count else 0


class PollCountingApi(VidgoApi):
    """Tasks that never end, and a path that returns how often each was polled."""

    def answer(self, method: str, path: str, body: bytes) -> bytes:
        """Return the state of a task; at `POLL_COUNTS`, return all counts and reset them."""
        if path != POLL_COUNTS:
            return super().answer(method, path, body)
        polls = list(self._polls.values())
        self._polls.clear()
        return json.dumps(polls).encode()


# --- Printing -------------------------------------------------------------------------------


def _print_side(name: str, tasks: int, runs: Sequence[Run]) -> None:
    few, many = _medians([each.few for each in runs]), _medians([each.many for each in runs])
    kib, all_kib, blocks = (
        statistics.median(each.per_task(figure) for each in runs)
        for figure in ("session_kib", "all_kib", "session_blocks")
    )
    print(f"\n{name}, median of {len(runs)} rounds")
    print_table(
        ("tasks", f"{tasks // 10:,}", f"{tasks:,}"),
        [(line, *(form.format(**each) for each in (few, many))) for line, form in LINES.items()],
    )
    print(
        f"a watched task takes {kib:.2f} KiB in {blocks:.1f} blocks of the session, "
        f"{all_kib:.2f} KiB with the caller's own"
    )


def _print_ratios(ours: Sequence[Run], other: Sequence[Run]) -> None:
    memory = ([each.per_task("session_kib") for each in side] for side in (ours, other))
    rows = [("KiB per watched task", str(Ratio.of(*memory)))]
    for title, name in COMPARED.items():
        figures = ([each.many[name] for each in side] for side in (ours, other))
        rows.append((title, str(Ratio.of(*figures))))
    print()
    print_table(("with all tasks", "ours / other (95 %)"), rows)


def _medians(runs: Sequence[_Figures]) -> _Figures:
    return {name: statistics.median(each[name] for each in runs) for name in runs[0]}


# --- In the process that watches ------------------------------------------------------------


class Lag:
    """How late the loop runs a timer that is due every few milliseconds.

    While the loop is blocked, each timer that would have been due counts.
    """

    def __init__(self) -> None:
        self._late = array("d")
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time()
        self._tick()

    def _tick(self) -> None:
        while self._due <= (now := self._loop.time()):
            self._late.append(now - self._due)
            self._due += LAG_STEP
        self._timer = self._loop.call_at(self._due, self._tick)

    def stop(self) -> dict[str, float]:
        """Stop measuring, and return milliseconds."""
        self._timer.cancel()
        late = sorted(self._late)
        p50, p99 = (late[int(part * len(late))] for part in (0.5, 0.99))
        return {"lag_p50": 1000 * p50, "lag_p99": 1000 * p99, "lag_max": 1000 * late[-1]}


async def _watch(url: str, count: int) -> _Figures:
    interval = count / POLLS_PER_SECOND / ((1 + MAX_JITTER) / 2)
    nothing = _stats()
    tasks = _tasks(count, interval)
    callers = _stats()
    async with VidgoSession(
        KEY, base_url=url, polling=FixedPolling(interval), max_concurrent_requests=CONCURRENT
    ) as vidgo:
        begin = time.perf_counter()
        consumer = asyncio.create_task(_consume(vidgo.as_completed(tasks)))
        await asyncio.sleep(0)
        begun, cpu = time.perf_counter(), time.process_time()
        lag = Lag()
        await asyncio.sleep(2 * MAX_JITTER * interval + 1)
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        lags = lag.stop()
        watched = _stats()
        closing = time.perf_counter()
        await vidgo.aclose()
        await consumer
        closed = time.perf_counter()
    return {
        "begin": begun - begin,
        "seconds": seconds,
        "cpu": cpu / seconds,
        "close": closed - closing,
        "session_kib": _rss(watched) - _rss(callers),
        "all_kib": _rss(watched) - _rss(nothing),
        "session_blocks": watched.blocks - callers.blocks,
        **lags,
    }


def _stats() -> ProcessStats:
    gc.collect()
    return ProcessStats.now()


def _rss(stats: ProcessStats) -> int:
    assert stats.rss is not None, "this system does not tell how much memory is resident"
    return stats.rss


def _tasks(count: int, interval: float) -> list[Task]:
    """Create tasks whose first polls are spread as evenly as all later ones."""
    now = datetime.now(UTC)
    ages = (timedelta(seconds=interval * number / count) for number in range(count))
    return [
        Task(f"task-unified-{number:010d}-fake0000", "running", submitted_at=now - age)
        for number, age in enumerate(ages)
    ]


async def _consume(completed: Completions) -> None:
    with contextlib.suppress(SessionClosedError):
        async for task in completed:
            msg = f"{task} ended"
            raise AssertionError(msg)


if __name__ == "__main__":
    json.dump(asyncio.run(_watch(sys.argv[1], int(sys.argv[2]))), sys.stdout)
