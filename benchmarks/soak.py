"""A long batch against a server with random faults: is anything bought twice, or lost?

The server records its sales by prompt and the client its outcomes; the two records are compared at
the end. The client writes its own to a file, so that its memory is what the library holds.
"""

import argparse
import asyncio
import tempfile
from typing import TextIO

from benchmarks.accounts import NOT_KNOWN, Accounts, Entry, prompt, read, write
from benchmarks.batch_monitor import BatchMonitor, monitor_batch, print_figure, print_promises
from benchmarks.server import FAULTS, Server, ServerOptions, serve
from vidgo_async import FixedPolling, GrokImagine, RetryPolicy, Task, VidgoSession

QUESTION = "is anything bought twice, lost or leaked in a long batch with many faults?"

IN_FLIGHT = 500
"""Requests of the batch in flight at once."""
CONCURRENT = 64
"""HTTP requests in flight at once, by default."""
REQUEST_TIMEOUT = 1.0
"""Seconds for one exchange, and so the cost of a hung one."""
TASK_TIMEOUT = 30.0
"""Seconds for one task; the server takes at most 0.3."""
POLLING = FixedPolling(0.2)
RETRY = RetryPolicy(timeout=60.0, initial_delay=0.05, max_delay=1.0)
FAILURE_RATE = 0.05

ROW = 1000
"""Outcomes between two rows of the table."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
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


def run(options: argparse.Namespace) -> bool:
    """Run the batch and print the figures; return whether all promises were kept."""
    print(
        f"\nsoak: {options.requests:,} requests, {IN_FLIGHT} in flight over {CONCURRENT} connections,\n"
        f"faults of {len(FAULTS)} kinds at {options.faults:.0%} of the HTTP requests, "
        f"seed {options.seed}\n"
    )
    behaviour = ServerOptions(options.faults, FAILURE_RATE, options.seed)
    with tempfile.TemporaryFile("w+") as file, serve(behaviour) as server:
        monitor, unclaimed = asyncio.run(_soak(server, options.requests, file))
        accounts = Accounts.compare(options.requests, read(file), server.end())
    _print_figures(monitor, accounts, unclaimed)
    return print_promises(
        {**_promises(accounts, unclaimed), **monitor.promises(IN_FLIGHT, CONCURRENT)}
    )


# --- The batch ------------------------------------------------------------------------------


async def _soak(server: Server, requests: int, file: TextIO) -> tuple[BatchMonitor, int]:
    """Return the snapshots of the client, and the number of unclaimed tasks."""
    async with monitor_batch(ROW) as monitor:
        unclaimed = await _run_batch(server, requests, file, monitor)
    return monitor, unclaimed


async def _run_batch(server: Server, requests: int, file: TextIO, monitor: BatchMonitor) -> int:
    session = VidgoSession(
        server.api_key,
        base_url=server.url,
        polling=POLLING,
        retry=RETRY,
        request_timeout=REQUEST_TIMEOUT,
    )
    batch = (GrokImagine(prompt=prompt(index)) for index in range(requests))
    done = 0
    async with session:
        async for outcome in session.generate_many(
            batch, max_in_flight=IN_FLIGHT, timeout=TASK_TIMEOUT
        ):
            write(file, Entry.of(outcome))
            done += 1
            monitor.record(done)
    return sum(isinstance(item, Task) for item in session.unclaimed)


# --- The figures and the promises -----------------------------------------------------------


def _print_figures(monitor: BatchMonitor, accounts: Accounts, unclaimed: int) -> None:
    print()
    for kind, count in accounts.kinds.most_common():
        print_figure(f"outcomes: {kind}", count)
    ledger = accounts.server
    for call, struck in ledger.struck.items():
        print_figure(f"{call} requests received", ledger.received[call])
        print_figure("  with a fault injected", struck.total())
    print_figure("submits rightly sent again (429, 503)", accounts.sent_again)
    print_figure("submits that must end as unknown", accounts.unknown_at_least)
    print_figure("sold", accounts.sold)
    print_figure("  given to callers with their id", accounts.with_id)
    print_figure("  behind unknown outcomes", accounts.behind_unknown)
    print_figure("  unclaimed", unclaimed)
    print_figure("requests sold more than once", len(accounts.differences.sold_twice))
    monitor.print_figures(accounts.outcomes)


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
