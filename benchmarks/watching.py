"""Many tasks watched by one session: what each costs in memory, and whether the loop stays awake.

Each number of tasks has a new process. What the session holds is the memory that comes on top of
the caller's own list of tasks, from before `as_completed` until each task has been looked at
twice; what one task costs is the slope from few tasks to many.
"""

import argparse
import asyncio
import contextlib
import functools
import gc
import http.client
import json
import subprocess
import sys
import time
from array import array
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from benchmarks.fake import Fake, VidgoApi, served
from benchmarks.gauges import Reading
from benchmarks.tables import show
from vidgo_async import Completions, FixedPolling, SessionClosedError, Task, VidgoSession

QUESTION = "what does a watched task hold, and does the loop stay awake among 100,000 of them?"

PACE = 1000.0
"""Looks a second."""
STRETCH = 1.2
"""The session stretches each interval by up to a fifth, a tenth on average."""
CONCURRENT = 64
"""HTTP requests in flight at once."""
STEP = 0.005
"""Seconds from one tick to the next by which the loop's lag is measured."""
MOST_KIB = 1.0
MOST_LAG = 20.0
"""Milliseconds, of the 99th percentile."""
MOST_CLOSING = 1.0
"""Seconds."""
KEY = "a-key-for-a-fake-server"
LOOKS = "/looks"

LINES = {
    "RSS of the session, KiB": "{session_kib:,.0f}",
    "RSS with the caller's own tasks, KiB": "{all_kib:,.0f}",
    "blocks of the session": "{session_blocks:,.0f}",
    "seconds to begin, in which the loop stands": "{begin:.3f}",
    "polls per second": "{pace:,.0f}",
    "polls of each task, at least": "{fewest}",
    "CPU of the client": "{cpu:.0%}",
    "lag of the loop, p50, ms": "{lag_p50:.1f}",
    "lag of the loop, p99, ms": "{lag_p99:.1f}",
    "lag of the loop, max, ms": "{lag_max:.1f}",
    "seconds to close": "{close:.3f}",
}

_Figures = Mapping[str, float]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument(
        "--tasks", type=int, default=100_000, metavar="N", help="and a tenth of it; default 100000"
    )


def run(options: argparse.Namespace) -> bool:
    """Watch few tasks, then many; print what both took, and what one task holds."""
    sizes = (options.tasks // 10, options.tasks)
    with served(functools.partial(CountingApi, sys.maxsize)) as fake:
        few, many = (_measured(fake, count) for count in sizes)
    print(f"one session that watches tasks, with {PACE:,.0f} polls a second")
    show(
        ("tasks", *(f"{count:,}" for count in sizes)),
        [(name, *(form.format(**each) for each in (few, many))) for name, form in LINES.items()],
    )
    kib, all_kib, blocks = (
        (many[name] - few[name]) / (sizes[1] - sizes[0])
        for name in ("session_kib", "all_kib", "session_blocks")
    )
    print(
        f"a watched task holds {kib:.2f} KiB in {blocks:.1f} blocks of the session, "
        f"{all_kib:.2f} KiB with the caller's own"
    )
    return (
        kib <= MOST_KIB
        and many["fewest"] >= 2
        and many["lag_p99"] < MOST_LAG
        and many["close"] < MOST_CLOSING
    )


def _measured(fake: Fake, count: int) -> _Figures:
    """Watch so many tasks in a new process."""
    child = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "benchmarks.watching", fake.url, str(count)],
        stdout=subprocess.PIPE,
        check=True,
    )
    figures = json.loads(child.stdout)
    pace = fake.requests() / figures["seconds"]
    return {**figures, "pace": pace, "fewest": _fewest(fake, count)}


def _fewest(fake: Fake, count: int) -> int:
    """Ask the server how often it was asked for the one of its tasks that was asked for least."""
    connection = http.client.HTTPConnection(fake.url.removeprefix("http://"))
    with contextlib.closing(connection):
        connection.request("GET", LOOKS)
        looks: list[int] = json.load(connection.getresponse())
    fake.requests()  # so that this one is not counted
    return min(looks) if len(looks) == count else 0


class CountingApi(VidgoApi):
    """Tasks without an end, and a path that tells how often each was looked at."""

    def answer(self, method: str, path: str, body: bytes) -> bytes:
        """Tell how far a task is; at the path `LOOKS`, tell of all, and forget them."""
        if path != LOOKS:
            return super().answer(method, path, body)
        looks = list(self._seen.values())
        self._seen.clear()
        return json.dumps(looks).encode()


# --- In the process that watches ------------------------------------------------------------


class Lag:
    """How late the loop is for something that is due every few milliseconds.

    Whoever is due while the loop stands still counts, as often as that is.
    """

    def __init__(self) -> None:
        self._late = array("d")
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time()
        self._tick()

    def _tick(self) -> None:
        while self._due <= (now := self._loop.time()):
            self._late.append(now - self._due)
            self._due += STEP
        self._timer = self._loop.call_at(self._due, self._tick)

    def stop(self) -> dict[str, float]:
        """End it, and return milliseconds."""
        self._timer.cancel()
        late = sorted(self._late)
        p50, p99 = (late[int(part * len(late))] for part in (0.5, 0.99))
        return {"lag_p50": 1000 * p50, "lag_p99": 1000 * p99, "lag_max": 1000 * late[-1]}


async def _watch(url: str, count: int) -> _Figures:
    interval = count / PACE / ((1 + STRETCH) / 2)
    nothing = _reading()
    tasks = _tasks(count, interval)
    callers = _reading()
    async with VidgoSession(
        KEY, base_url=url, polling=FixedPolling(interval), max_concurrent_requests=CONCURRENT
    ) as vidgo:
        begin = time.perf_counter()
        reader = asyncio.create_task(_read(vidgo.as_completed(tasks)))
        await asyncio.sleep(0)
        begun, cpu = time.perf_counter(), time.process_time()
        lag = Lag()
        await asyncio.sleep(2 * STRETCH * interval + 1)
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        lags = lag.stop()
        held = _reading()
        closing = time.perf_counter()
        await vidgo.aclose()
        await reader
        closed = time.perf_counter()
    return {
        "begin": begun - begin,
        "seconds": seconds,
        "cpu": cpu / seconds,
        "close": closed - closing,
        "session_kib": _rss(held) - _rss(callers),
        "all_kib": _rss(held) - _rss(nothing),
        "session_blocks": held.blocks - callers.blocks,
        **lags,
    }


def _reading() -> Reading:
    gc.collect()
    return Reading.now()


def _rss(reading: Reading) -> int:
    assert reading.rss is not None, "this system does not tell how much memory is resident"
    return reading.rss


def _tasks(count: int, interval: float) -> list[Task]:
    """Make tasks whose first looks are spread as evenly as all later ones."""
    now = datetime.now(UTC)
    ages = (timedelta(seconds=interval * number / count) for number in range(count))
    return [
        Task(f"task-unified-{number:010d}-fake0000", "running", submitted_at=now - age)
        for number, age in enumerate(ages)
    ]


async def _read(completed: Completions) -> None:
    with contextlib.suppress(SessionClosedError):
        async for task in completed:
            msg = f"{task} ended"
            raise AssertionError(msg)


if __name__ == "__main__":
    json.dump(asyncio.run(_watch(sys.argv[1], int(sys.argv[2]))), sys.stdout)
