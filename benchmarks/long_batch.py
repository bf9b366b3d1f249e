"""A batch without an end in sight: does the client's memory depend on how long it is?

The requests come from a generator, the outcomes are looked at and dropped, and the server ends
each task by the first look at it: whatever grows is kept by the library.
"""

import argparse
import asyncio
import functools

from benchmarks.fake import VidgoApi, served
from benchmarks.slope import Held, held_during, print_promises
from vidgo_async import FixedPolling, GrokImagine, VidgoSession

QUESTION = "does a batch of 200,000 requests hold more than one of 20,000?"

CONCURRENT = 64
"""HTTP requests in flight at once."""
POLLING = FixedPolling(0.1)
ROWS = 20
"""Rows of the table: half of them make the slope."""
KEY = "a-key-for-a-fake-server"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument("--requests", type=int, default=200_000, metavar="N", help="default 200000")
    parser.add_argument("--in-flight", type=int, default=2000, metavar="N", help="default 2000")


def run(options: argparse.Namespace) -> bool:
    """Run the batch and print the figures; return whether all promises were kept."""
    print(
        f"\nlong batch: {options.requests:,} requests, {options.in_flight:,} in flight "
        f"over {CONCURRENT} connections\n"
    )
    with served(functools.partial(VidgoApi, 1)) as fake:
        held = asyncio.run(_run_batch(fake.url, options.requests, options.in_flight))
        received = fake.requests()
    print()
    held.print_figures(options.requests)
    return print_promises(
        {
            "one submit and one poll for each request": received == 2 * options.requests,
            **held.promises(options.in_flight, CONCURRENT),
        }
    )


async def _run_batch(url: str, requests: int, in_flight: int) -> Held:
    wanted = (GrokImagine(prompt=f"fox {number}") for number in range(requests))
    done = 0
    async with (
        held_during(max(1, requests // ROWS)) as held,
        VidgoSession(
            KEY, base_url=url, max_concurrent_requests=CONCURRENT, polling=POLLING
        ) as vidgo,
    ):
        async for outcome in vidgo.generate_many(wanted, max_in_flight=in_flight):
            assert outcome.ok, outcome.error
            done += 1
            held.look(done)
    assert done == requests
    return held
