"""Does the client's memory depend on how long a batch is?

The requests come from a generator, each outcome is dropped once it was checked, and each task
finishes at its first poll: whatever grows is kept by the library.
"""

import argparse
import asyncio
import functools

from benchmarks.batch_monitor import BatchMonitor, monitor_batch, print_promises
from benchmarks.fake_server import VidgoApi, serve
from vidgo_async import FixedPolling, GrokImagine, VidgoSession

QUESTION = "does a batch of 200,000 requests take more memory than one of 20,000?"

CONCURRENT = 64
"""HTTP requests in flight at once."""
POLLING = FixedPolling(0.1)
ROWS = 20
"""Rows of the table; the slope is that of the second half."""
KEY = "a-key-for-a-fake-server"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--requests", type=int, default=200_000, metavar="N", help="default 200000")
    parser.add_argument("--in-flight", type=int, default=2000, metavar="N", help="default 2000")


def run(options: argparse.Namespace) -> bool:
    """Run the batch and print the figures; return whether all promises were kept."""
    print(
        f"\nlong batch: {options.requests:,} requests, {options.in_flight:,} in flight "
        f"over {CONCURRENT} connections\n"
    )
    with serve(functools.partial(VidgoApi, 1)) as server:
        monitor = asyncio.run(_run_batch(server.url, options.requests, options.in_flight))
        received = server.take_request_count()
    print()
    monitor.print_figures(options.requests)
    return print_promises(
        {
            "one submit and one poll for each request": received == 2 * options.requests,
            **monitor.promises(options.in_flight, CONCURRENT),
        }
    )


async def _run_batch(url: str, count: int, in_flight: int) -> BatchMonitor:
    requests = (GrokImagine(prompt=f"fox {number}") for number in range(count))
    done = 0
    async with (
        monitor_batch(max(1, count // ROWS)) as monitor,
        VidgoSession(
            KEY, base_url=url, max_concurrent_requests=CONCURRENT, polling=POLLING
        ) as vidgo,
    ):
        async for outcome in vidgo.generate_many(requests, max_in_flight=in_flight):
            assert outcome.ok, outcome.error
            done += 1
            monitor.record(done)
    assert done == count
    return monitor
