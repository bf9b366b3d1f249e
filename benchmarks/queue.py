"""What a queue costs: CPU beside the plain batch, and ten thousand requests added, and run by two workers."""

import argparse
import asyncio
import contextlib
import functools
import itertools
import os
import statistics
import sys
import time
from collections.abc import Iterator

import psycopg

from benchmarks.clients import KEY
from benchmarks.fake_server import FakeServer, VidgoApi, serve
from benchmarks.pairs import Ratio, run_rounds
from benchmarks.tables import print_table
from tests.support.postgres import Postgres, private_postgres
from vidgo_async import FixedPolling, GrokImagine, VidgoSession
from vidgo_async.queue import BatchQueue

QUESTION = "how much CPU does a queue take, and how long ten thousand requests?"

POLLS = 10
"""Polls of each task until it is finished."""
INTERVAL = 0.1
"""Seconds between two polls of a task."""
MAX_RATIO = 4.0
"""Target: CPU of a request through a queue over that of the plain batch, of the client's process."""
MAX_SECONDS = 10.0
"""Target: seconds to add 10,000 requests."""
IN_FLIGHT = 500
BATCH = "foxes"
WORKER = """
import asyncio, sys
from vidgo_async import FixedPolling, VidgoSession
from vidgo_async.queue import BatchQueue
async def main(url, base_url, key):
    async with BatchQueue(url) as queue:
        async with VidgoSession(key, base_url=base_url, polling=FixedPolling(0.1)) as vidgo:
            await queue.work(vidgo, max_in_flight=200, until_empty=True)
asyncio.run(main(*sys.argv[1:]))
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--rounds", type=int, default=8, metavar="N", help="default 8")
    parser.add_argument("--tasks", type=int, default=500, metavar="N", help="default 500")
    parser.add_argument("--rows", type=int, default=10_000, metavar="N", help="default 10000")


def run(options: argparse.Namespace) -> bool:
    """Measure both; return whether the targets were met."""
    with private_postgres() as postgres:
        return _overhead(options, postgres) & _two_workers(options.rows, postgres)


def _overhead(options: argparse.Namespace, postgres: Postgres) -> bool:
    urls = _new_databases(postgres)
    with serve(functools.partial(VidgoApi, POLLS)) as server:
        contenders = {
            "plain": functools.partial(_cpu, server, options.tasks, None),
            "queue": functools.partial(_cpu, server, options.tasks, urls),
        }
        cpu = run_rounds(contenders, options.rounds)
    ratio = Ratio.of(cpu["queue"], cpu["plain"])
    print(f"CPU milliseconds per task of 1 submit and {POLLS} polls; {options.rounds} rounds")
    print_table(
        ["tasks", "plain", "queue", "queue / plain (95 %)"],
        [
            [
                str(options.tasks),
                f"{statistics.median(cpu['plain']):.2f}",
                f"{statistics.median(cpu['queue']):.2f}",
                str(ratio),
            ]
        ],
    )
    return ratio.median <= MAX_RATIO


def _new_databases(postgres: Postgres) -> Iterator[str]:
    for number in itertools.count():
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE bench{number}".encode())
        url = postgres.url(f"bench{number}")
        asyncio.run(_install(url))
        yield url


async def _install(url: str) -> None:
    async with BatchQueue(url) as queue:
        await queue.install()


def _cpu(server: FakeServer, count: int, urls: Iterator[str] | None) -> float:
    """Run a batch; return milliseconds of CPU for each task, of all threads."""
    url = None if urls is None else next(urls)
    began = time.process_time()
    asyncio.run(_plain(server.url, count) if url is None else _queued(server.url, count, url))
    return 1000 * (time.process_time() - began) / count


async def _plain(base_url: str, count: int) -> None:
    async with VidgoSession(KEY, base_url=base_url, polling=FixedPolling(INTERVAL)) as vidgo:
        async for outcome in vidgo.generate_many(_foxes(count), max_in_flight=IN_FLIGHT):
            assert outcome.ok, outcome


async def _queued(base_url: str, count: int, url: str) -> None:
    """Add, work and follow, all in one process."""
    async with (
        BatchQueue(url) as queue,
        VidgoSession(KEY, base_url=base_url, polling=FixedPolling(INTERVAL)) as vidgo,
    ):
        await queue.add(BATCH, _foxes(count))
        work = asyncio.create_task(queue.work(vidgo, max_in_flight=IN_FLIGHT))
        async for outcome in queue.outcomes(BATCH):
            assert outcome.ok, outcome
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work


def _two_workers(rows: int, postgres: Postgres) -> bool:
    with serve(functools.partial(VidgoApi, 1)) as server:
        return asyncio.run(_run_two(rows, server, postgres.url()))


async def _run_two(rows: int, server: FakeServer, url: str) -> bool:
    async with BatchQueue(url) as queue:
        await queue.install()
        began = time.monotonic()
        assert await queue.add(BATCH, _foxes(rows)) == rows
        added = time.monotonic() - began
        began = time.monotonic()
        assert await queue.add(BATCH, _foxes(rows)) == 0
        again = time.monotonic() - began
        began = time.monotonic()
        workers = [
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", WORKER, url, server.url, KEY), env=dict(os.environ)
            )
            for _ in range(2)
        ]
        ids = set[str]()
        async for outcome in queue.outcomes(BATCH):
            assert outcome.error is None, outcome
            ids.add(outcome.task.task_id)
        ran = time.monotonic() - began
        for worker in workers:
            assert await worker.wait() == 0
    print(
        f"{rows:,} requests: added in {added:.1f} s, again in {again:.1f} s (none new), run through "
        f"by two workers in {ran:.1f} s, {len(ids):,} different tasks"
    )
    return added < MAX_SECONDS and len(ids) == rows


def _foxes(count: int) -> Iterator[GrokImagine]:
    return (GrokImagine(prompt=f"fox {number}") for number in range(count))
