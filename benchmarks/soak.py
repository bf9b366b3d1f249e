"""A long batch against a server that breaks all the time: is anything bought twice, or lost?

The server counts what it sold, by prompt, and the client writes down each outcome; both are
compared at the end. The client writes to a file, so that its memory is what the library holds.
"""

import argparse
import asyncio
import tempfile
from typing import TextIO

from benchmarks.accounts import NOT_KNOWN, Accounts, Entry, prompt, read, write
from benchmarks.server import FAULTS, Habits, Server, served
from benchmarks.slope import Held, held_during, print_figure, print_promises
from vidgo_async import FixedPolling, GrokImagine, RetryPolicy, Task, VidgoSession

QUESTION = "is anything bought twice, lost or leaked in a long batch full of faults?"

IN_FLIGHT = 500
"""Requests of the batch in flight at once."""
CONCURRENT = 64
"""HTTP requests in flight at once."""
REQUEST_TIMEOUT = 1.0
"""Seconds for one exchange; a hung one lasts that long."""
TASK_TIMEOUT = 30.0
"""Seconds for one task, of which the server needs a third of one."""
POLLING = FixedPolling(0.2)
RETRY = RetryPolicy(timeout=60.0, initial_delay=0.05, max_delay=1.0)
FAILURE_RATE = 0.05

ROW = 1000
"""Outcomes from one row of the table to the next."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument(
        "--requests", type=_count, default=20_000, metavar="N", help="default 20000"
    )
    parser.add_argument("--faults", type=_share, default=0.1, metavar="P", help="default 0.1")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default 0")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        msg = f"must be a whole number from 1 on, not {text}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        msg = f"must be between 0 and 1, not {text}"
        raise argparse.ArgumentTypeError(msg)
    return share


def run(wanted: argparse.Namespace) -> bool:
    """Run the batch and print the figures; return whether all promises were kept."""
    print(
        f"\nsoak: {wanted.requests:,} requests, {IN_FLIGHT} in flight over {CONCURRENT} connections,\n"
        f"faults of {len(FAULTS)} kinds at {wanted.faults:.0%} of the HTTP requests, "
        f"seed {wanted.seed}\n"
    )
    habits = Habits(wanted.faults, FAILURE_RATE, wanted.seed)
    with tempfile.TemporaryFile("w+") as file, served(habits) as server:
        held, unclaimed = asyncio.run(_soak(server, wanted.requests, file))
        accounts = Accounts.compare(wanted.requests, read(file), server.end())
    _print_figures(held, accounts, unclaimed)
    return print_promises(
        {**_promises(accounts, unclaimed), **held.promises(IN_FLIGHT, CONCURRENT)}
    )


# --- The batch ------------------------------------------------------------------------------


async def _soak(server: Server, requests: int, file: TextIO) -> tuple[Held, int]:
    """Return what the client held, and how many tasks were unclaimed in the end."""
    async with held_during(ROW) as held:
        unclaimed = await _run_batch(server, requests, file, held)
    return held, unclaimed


async def _run_batch(server: Server, requests: int, file: TextIO, held: Held) -> int:
    session = VidgoSession(
        server.api_key,
        base_url=server.url,
        max_concurrent_requests=CONCURRENT,
        polling=POLLING,
        retry=RETRY,
        request_timeout=REQUEST_TIMEOUT,
    )
    wanted = (GrokImagine(prompt=prompt(index)) for index in range(requests))
    done = 0
    async with session:
        async for outcome in session.generate_many(
            wanted, max_in_flight=IN_FLIGHT, timeout=TASK_TIMEOUT
        ):
            write(file, Entry.of(outcome))
            done += 1
            held.look(done)
    return sum(isinstance(what, Task) for what in session.unclaimed)


# --- The figures and the promises -----------------------------------------------------------


def _print_figures(held: Held, accounts: Accounts, unclaimed: int) -> None:
    print()
    for kind, count in accounts.kinds.most_common():
        print_figure(f"outcomes: {kind}", count)
    for call, struck in accounts.server.struck.items():
        print_figure(f"{call} requests received", accounts.server.received[call])
        print_figure("  of these struck by faults", struck.total())
    print_figure("submits rightly sent again (429, 503)", accounts.sent_again)
    print_figure("submits that must end as unknown", accounts.unknown_at_least)
    print_figure("sold", accounts.sold)
    print_figure("  given to callers with their id", accounts.with_id)
    print_figure("  behind unknown outcomes", accounts.behind_unknown)
    print_figure("  unclaimed", unclaimed)
    print_figure("requests sold more than once", len(accounts.differences.sold_twice))
    held.print_figures(accounts.outcomes)


def _promises(accounts: Accounts, unclaimed: int) -> dict[str, bool | None]:
    requests = accounts.requests
    received = accounts.server.received["submit"]
    told = accounts.with_id + accounts.behind_unknown + unclaimed
    return {
        "each request has exactly one outcome": accounts.complete,
        "no request was sold more than once": not accounts.differences.sold_twice,
        "sold = with id + behind unknown + unclaimed": accounts.sold == told,
        "nothing was sold behind any other error": accounts.lost == unclaimed,
        "each id and each end is the server's own": accounts.contradictions == 0,
        "only 429 and 503 were sent again": received <= requests + accounts.sent_again,
        "what may have bought something is unknown": (
            accounts.kinds[NOT_KNOWN] >= accounts.unknown_at_least
        ),
    }
