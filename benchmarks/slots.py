"""How soon is a free slot of a batch used, and how long does a whole batch take?

The server has a fixed number of workers, each for one video at a time, first come first served,
with seeded log-normal durations; a second stands for a minute. Its answers contain the times when
a request arrived and when its task ended, by the clock that all processes of a machine share.

A slot is free once the consumer has the outcome. Two delays are measured from there: until the
next request is read, and until it is at the server. The time of the whole batch is compared with
list scheduling: the same durations, in the same order, on workers that never wait.
"""

import argparse
import asyncio
import functools
import heapq
import itertools
import json
import random
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence

import attrs

from benchmarks.fake_server import serve
from benchmarks.tables import print_table
from vidgo_async import FixedPolling, GrokImagine, VidgoSession

QUESTION = "how soon is a free slot used, and how long does a batch take, compared with the best?"

MEAN = 1.0
"""Seconds that a video takes, on average."""
SPREAD = 0.5
"""Standard deviation of the logarithm: one in twelve takes more than twice the median."""
POLLING = FixedPolling(0.05)
"""In proportion to the durations, as 3 seconds are to a minute."""
SPARE = 1.25
"""Slots for each worker, so that the next request is at the server before a worker is free."""
MAX_DELAY = 10.0
"""Target: milliseconds until the next submit is at the server, of the 99th percentile."""
MAX_MAKESPAN = 1.1
"""Target: time of the batch over that of list scheduling."""
KEY = "a-key-for-a-fake-server"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--workers", type=int, default=32, metavar="N", help="default 32")
    parser.add_argument("--requests", type=int, default=384, metavar="N", help="default 384")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default 0")


def run(options: argparse.Namespace) -> bool:
    """Run a batch with one slot for each worker, and one with `SPARE` slots for each."""
    workers, count = options.workers, options.requests
    best = list_makespan(itertools.islice(durations(options.seed), count), workers)
    runs = []
    for slots in (workers, round(SPARE * workers)):
        with serve(functools.partial(WorkerPoolApi, workers, options.seed)) as server:
            runs.append(asyncio.run(_run_batch(server.url, count, slots)))
    print(
        f"{count} requests to a server with {workers} workers, {MEAN:g} s each on average, "
        f"polled every {POLLING.interval:g} s"
    )
    print_table(
        ("max_in_flight", "s", "list scheduling, s", "ratio", "end to outcome, ms"),
        [
            (
                str(run.slots),
                f"{run.makespan:.2f}",
                f"{best:.2f}",
                f"{run.makespan / best:.3f}",
                _quantiles(run.notice_delays()),
            )
            for run in runs
        ],
    )
    print("\nmilliseconds from the outcome taken to ..., as median / p99 / max")
    print_table(
        ("max_in_flight", "slots filled again", "... next request read", "... at the server"),
        [
            (
                str(run.slots),
                str(len(run.delays(run.read))),
                _quantiles(run.delays(run.read)),
                _quantiles(run.delays(run.arrived)),
            )
            for run in runs
        ],
    )
    return all(
        run.makespan <= MAX_MAKESPAN * best and _p99(run.delays(run.arrived)) <= MAX_DELAY
        for run in runs
    )


def _quantiles(delays: Sequence[float]) -> str:
    return f"{statistics.median(delays):.1f} / {_p99(delays):.1f} / {max(delays):.1f}"


def _p99(delays: Sequence[float]) -> float:
    return sorted(delays)[int(0.99 * len(delays))]


# --- List scheduling ------------------------------------------------------------------------


def durations(seed: int) -> Iterator[float]:
    """Yield how long each video takes, in the order in which they start."""
    chance = random.Random(seed)
    while True:
        yield MEAN * chance.lognormvariate(-SPREAD * SPREAD / 2, SPREAD)


def list_makespan(jobs: Iterable[float], machines: int) -> float:
    """Return the time for all jobs if each goes, in order, to the first free machine."""
    free = [0.0] * machines
    for job in jobs:
        heapq.heapreplace(free, free[0] + job)
    return max(free)


# --- The server -----------------------------------------------------------------------------


@attrs.define(eq=False)
class WorkerPoolApi:
    """Workers and a queue: the end of a task is known when its request arrives."""

    workers: int
    seed: int
    _free: list[float] = attrs.field(init=False)
    _durations: Iterator[float] = attrs.field(init=False)
    _tasks: list[tuple[float, float]] = attrs.field(init=False, factory=list[tuple[float, float]])
    """When each arrived, and when it ends."""

    def __attrs_post_init__(self) -> None:
        self._free = [0.0] * self.workers
        self._durations = durations(self.seed)

    def answer(self, method: str, path: str, body: bytes) -> bytes:  # noqa: ARG002 - the protocol's
        """Accept a task, or return the state of one; finished ones with both times."""
        now = time.monotonic()
        if method == "POST":
            ends = max(now, self._free[0]) + next(self._durations)
            heapq.heapreplace(self._free, ends)
            self._tasks.append((now, ends))
            return _task(len(self._tasks) - 1, status="not_started")
        number = int(path.rpartition("-")[2])
        arrived, ends = self._tasks[number]
        if now < ends:
            return _task(number, status="running")
        files = [{"file_url": "https://storage.example/fox.mp4", "file_type": "video"}]
        return _task(number, status="finished", files=files, arrived=arrived, ended=ends)


def _task(number: int, **fields: object) -> bytes:
    return json.dumps({"code": 200, "data": {"task_id": f"task-{number}", **fields}}).encode()


# --- The client -----------------------------------------------------------------------------


@attrs.define
class Run:
    """The times of all events, by the machine's clock; requests by their index."""

    slots: int
    begun: float = attrs.field(factory=time.monotonic)
    read: dict[int, float] = attrs.field(factory=dict[int, float])
    arrived: dict[int, float] = attrs.field(factory=dict[int, float])
    ended: list[float] = attrs.field(factory=list[float])
    taken: list[float] = attrs.field(factory=list[float])

    @property
    def makespan(self) -> float:
        """Seconds from the start until the consumer had the last outcome."""
        return self.taken[-1] - self.begun

    def delays(self, filled: dict[int, float]) -> list[float]:
        """Return milliseconds from an outcome taken to that event of the next request.

        The first requests fill the slots; after that, each outcome taken frees one.
        """
        following = range(self.slots, len(filled))
        return [
            1000 * (filled[index] - freed)
            for index, freed in zip(following, self.taken, strict=False)
        ]

    def notice_delays(self) -> list[float]:
        """Return milliseconds from the end of each task until the consumer had the outcome."""
        return [1000 * (taken - ended) for taken, ended in zip(self.taken, self.ended, strict=True)]


async def _run_batch(url: str, count: int, slots: int) -> Run:
    async with VidgoSession(KEY, base_url=url, polling=POLLING) as vidgo:
        run = Run(slots)
        async for outcome in vidgo.generate_many(_requests(count, run), max_in_flight=slots):
            run.taken.append(time.monotonic())
            assert outcome.ok, outcome.error
            assert outcome.task is not None
            assert outcome.task.raw is not None
            run.arrived[outcome.index] = outcome.task.raw["arrived"]
            run.ended.append(outcome.task.raw["ended"])
    assert len(run.taken) == count
    return run


def _requests(count: int, run: Run) -> Iterator[GrokImagine]:
    for index in range(count):
        run.read[index] = time.monotonic()
        yield GrokImagine(prompt=f"fox {index}")
