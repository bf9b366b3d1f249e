"""What a journal costs: CPU beside the plain batch, and a second run over a long one."""

import argparse
import asyncio
import functools
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.clients import KEY
from benchmarks.fake_server import FakeServer, VidgoApi, serve
from benchmarks.pairs import Ratio, run_rounds
from benchmarks.tables import print_table
from vidgo_async import FixedPolling, GrokImagine, VidgoSession

QUESTION = "how much CPU does a journal take, and how long a second run over a long one?"

POLLS = 10
"""Polls of each task until it is finished."""
INTERVAL = 0.1
"""Seconds between two polls of a task."""
MAX_RATIO = 1.5
"""Target: CPU of a request with a journal over that without."""
MAX_SECONDS = 60.0
"""Target: seconds of a second run over 100,000 requests."""
IN_FLIGHT = 500


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--rounds", type=int, default=12, metavar="N", help="default 12")
    parser.add_argument("--tasks", type=int, default=500, metavar="N", help="default 500")
    parser.add_argument("--rows", type=int, default=100_000, metavar="N", help="default 100000")


def run(options: argparse.Namespace) -> bool:
    """Measure both; return whether the targets were met."""
    with tempfile.TemporaryDirectory() as folder:
        return _overhead(options, Path(folder)) & _second_run(options.rows, Path(folder))


def _overhead(options: argparse.Namespace, folder: Path) -> bool:
    with serve(functools.partial(VidgoApi, POLLS)) as server:
        contenders = {
            "plain": functools.partial(_cpu, server, options.tasks, None),
            "journal": functools.partial(_cpu, server, options.tasks, folder),
        }
        cpu = run_rounds(contenders, options.rounds)
    ratio = Ratio.of(cpu["journal"], cpu["plain"])
    print(f"CPU milliseconds per task of 1 submit and {POLLS} polls; {options.rounds} rounds")
    print_table(
        ["tasks", "plain", "journal", "journal / plain (95 %)"],
        [
            [
                str(options.tasks),
                f"{statistics.median(cpu['plain']):.2f}",
                f"{statistics.median(cpu['journal']):.2f}",
                str(ratio),
            ]
        ],
    )
    return ratio.median <= MAX_RATIO


def _cpu(server: FakeServer, count: int, folder: Path | None) -> float:
    """Run a batch; return milliseconds of CPU for each task, of all threads."""
    path = None if folder is None else folder / f"{time.monotonic_ns()}.vidgo"
    began = time.process_time()
    asyncio.run(_batch(server.url, _foxes(count), path))
    return 1000 * (time.process_time() - began) / count


async def _batch(url: str, requests: Iterator[GrokImagine], path: Path | None) -> int:
    finished = 0
    async with VidgoSession(KEY, base_url=url, polling=FixedPolling(INTERVAL)) as vidgo:
        stream = vidgo.generate_many(requests, max_in_flight=IN_FLIGHT, journal=path)
        async for outcome in stream:
            assert outcome.ok, outcome
            finished += 1
    return finished


def _second_run(rows: int, folder: Path) -> bool:
    path = folder / "long.vidgo"
    with serve(functools.partial(VidgoApi, 1)) as server:
        began = time.monotonic()
        asyncio.run(_batch(server.url, _foxes(rows), path))
        first = time.monotonic() - began
        server.take_request_count()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.monotonic()
        assert asyncio.run(_batch(server.url, _foxes(rows), path)) == rows
        second = time.monotonic() - began
        requests = server.take_request_count()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(
        f"{rows:,} requests: {first:.1f} s in the first run, {second:.1f} s in the second, "
        f"which sent {requests} requests and took {grown:.0f} MiB more; "
        f"the file has {path.stat().st_size / 2**20:.0f} MiB"
    )
    return second <= MAX_SECONDS and requests == 0


def _foxes(count: int) -> Iterator[GrokImagine]:
    return (GrokImagine(prompt=f"fox {number}") for number in range(count))
