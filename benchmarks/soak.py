"""A long batch against a server that breaks all the time: is anything bought twice, or lost?

Both sides keep books, the server by prompt and the client by outcome, and they are compared
when all is over. The client's are kept in a file, so that its memory is what the library holds.
The rows of the table are read after a run of the cycle collector: what merely waits for it is no
leak, but costs time, so how much it had to free stands among the figures.
"""

import argparse
import asyncio
import gc
import statistics
import tempfile
import time
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TextIO

import attrs

from benchmarks.accounts import NOT_KNOWN, Accounts, Entry, prompt, read, write
from benchmarks.gauges import Reading
from benchmarks.server import FAULTS, Habits, Server, served
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
LOOK = 100
"""Outcomes from one look at the gauges to the next, for the peaks."""
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
    with tempfile.TemporaryFile("w+") as book, served(habits) as server:
        held = asyncio.run(_soak(server, wanted.requests, book))
        accounts = Accounts.settled(wanted.requests, read(book), server.end())
    _print_figures(held, accounts)
    return _print_promises(_promises(held, accounts))


# --- The batch ------------------------------------------------------------------------------


@attrs.define
class Held:
    """What the client held, from before the session was opened until after it was closed."""

    before: Reading = attrs.field(factory=Reading.now)
    rows: list[tuple[int, Reading]] = attrs.field(factory=list[tuple[int, Reading]])
    """What it held after so many outcomes."""
    most_tasks: int = 0
    most_sockets: int = 0
    after: Reading = attrs.field(init=False)
    seconds: float = 0.0
    cpu: float = 0.0
    """Seconds of the CPU."""
    unclaimed: int = 0
    complaints: list[str] = attrs.field(factory=list[str])
    """What asyncio or Python complained of, such as a socket that was not closed."""

    def look(self, done: int, seconds: float) -> None:
        """Read the gauges after so many outcomes and seconds."""
        if done % ROW == 0:
            gc.collect()
        reading = Reading.now()
        self.most_tasks = max(self.most_tasks, reading.tasks)
        self.most_sockets = max(self.most_sockets, reading.sockets or 0)
        if done % ROW == 0:
            self.rows.append((done, reading))
            _print_row(f"{done:,}", seconds, reading)

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


async def _soak(server: Server, requests: int, book: TextIO) -> Held:
    held = Held()
    begin, cpu = time.perf_counter(), time.process_time()
    _print_header(held.before)
    with _complaints(held.complaints):
        await _run_batch(server, requests, book, held)
        held.seconds, held.cpu = time.perf_counter() - begin, time.process_time() - cpu
        await asyncio.sleep(0.1)  # connections close in later turns of the loop
        gc.collect()
        held.after = Reading.now()
    _print_row("closed", held.seconds, held.after)
    return held


async def _run_batch(server: Server, requests: int, book: TextIO, held: Held) -> None:
    begin = time.perf_counter()
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
            write(book, Entry.of(outcome))
            done += 1
            if done % LOOK == 0:
                held.look(done, time.perf_counter() - begin)
    held.unclaimed = sum(isinstance(what, Task) for what in session.unclaimed)


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


# --- The figures ----------------------------------------------------------------------------


def _print_header(before: Reading) -> None:
    print(f"{'outcomes':>10}{'seconds':>10}{'RSS KiB':>10}{'blocks':>10}", end="")
    print(f"{'tasks':>8}{'sockets':>9}")
    _print_row("before", 0.0, before)


def _print_row(name: str, seconds: float, held: Reading) -> None:
    print(f"{name:>10}{seconds:>10.1f}{_figure(held.rss):>10}{held.blocks:>10,}", end="")
    print(f"{held.tasks:>8}{_figure(held.sockets):>9}", flush=True)


def _figure(value: float | None, form: str = ",") -> str:
    return "-" if value is None else format(value, form)


def _print_figures(held: Held, accounts: Accounts) -> None:
    print()
    for kind, count in accounts.kinds.most_common():
        _print_figure(f"outcomes: {kind}", count)
    ledger = accounts.ledger
    for call, struck in ledger.struck.items():
        _print_figure(f"{call} requests received", ledger.received[call])
        _print_figure("  of these struck by faults", struck.total())
    _print_figure("submits rightly sent again (429, 503)", accounts.rightly_sent_again)
    _print_figure("submits that must end as unknown", accounts.owed_unknown)
    _print_figure("sold", accounts.sold)
    _print_figure("  given to callers with their id", accounts.with_id)
    _print_figure("  behind unknown outcomes", accounts.behind_unknown)
    _print_figure("  unclaimed", held.unclaimed)
    _print_figure("requests sold more than once", accounts.sold_twice)
    _print_figure("RSS slope, KiB per 1,000 outcomes", held.slope(), "+.1f")
    cyclic = held.after.cyclic - held.before.cyclic
    _print_figure("cyclic garbage, objects per outcome", cyclic / accounts.outcomes, ".1f")
    _print_figure("most tasks", held.most_tasks)
    _print_figure("most sockets", held.most_sockets or None)
    _print_figure("outcomes per second", accounts.outcomes / held.seconds, ",.0f")
    _print_figure("client CPU per outcome, ms", 1000 * held.cpu / accounts.outcomes, ".2f")


def _print_figure(name: str, value: float | None, form: str = ",") -> None:
    print(f"{name:<42}{_figure(value, form):>10}")


# --- The promises ---------------------------------------------------------------------------


def _promises(held: Held, accounts: Accounts) -> dict[str, bool | None]:
    return {**_promises_of_accounts(accounts, held.unclaimed), **_promises_of_flatness(held)}


def _promises_of_accounts(accounts: Accounts, unclaimed: int) -> dict[str, bool | None]:
    requests = accounts.requests
    received = accounts.ledger.received["submit"]
    told = accounts.with_id + accounts.behind_unknown + unclaimed
    return {
        "each request has exactly one outcome": (
            accounts.outcomes == requests and accounts.seen == set(range(requests))
        ),
        "no request was sold more than once": accounts.sold_twice == 0,
        "sold = with id + behind unknown + unclaimed": accounts.sold == told,
        "nothing was sold behind any other error": accounts.lost == 0,
        "each id and each end is the server's own": accounts.contradictions == 0,
        "only 429 and 503 were sent again": received <= requests + accounts.rightly_sent_again,
        "what may have bought something is unknown": (
            accounts.kinds[NOT_KNOWN] >= accounts.owed_unknown
        ),
    }


def _promises_of_flatness(held: Held) -> dict[str, bool | None]:
    base = held.before.sockets or 0
    most_sockets = base + CONCURRENT + SPARE_SOCKETS
    return {
        f"memory grows by at most {FLAT:g} KiB per 1,000": _at_most(held.slope(), FLAT),
        "tasks are bounded": held.most_tasks <= IN_FLIGHT + 2 * CONCURRENT + SPARE_TASKS,
        "sockets are bounded": _at_most(held.most_sockets or None, most_sockets),
        "closing leaves no task": held.after.tasks == held.before.tasks,
        "closing leaves no socket": _at_most(held.after.sockets, base),
        f"no complaints {held.complaints[:3] or ''}".strip(): not held.complaints,
    }


def _at_most(value: float | None, limit: float) -> bool | None:
    return None if value is None else value <= limit


def _print_promises(promises: dict[str, bool | None]) -> bool:
    """Print what was kept; what this machine, or so short a batch, cannot tell is not broken."""
    words = {True: "kept", False: "BROKEN", None: "-"}
    print()
    for promise, kept in promises.items():
        print(f"{words[kept]:<8}{promise}")
    return False not in promises.values()
