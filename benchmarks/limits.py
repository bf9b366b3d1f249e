"""How well limits of every kind are found and used, in virtual time.

Real sessions against the sandbox, which refuses what a limit of the server's does not allow. Tasks
take 20 to 40 s and are polled every 3 s; a request takes 0.1 s.
"""

import argparse
import asyncio
import heapq
import random
import statistics
from collections.abc import Callable, Sequence
from functools import partial

import attrs

from benchmarks import virtual
from benchmarks.rate import Bucket, flood
from benchmarks.tables import print_table
from tests.support.limits import AtOnce, FixedWindow, ServerLimit, SlidingWindow, limited
from tests.support.sessions import foxes
from vidgo_async import FixedPolling, RetryPolicy, VidgoSession
from vidgo_async._api.limiter import Caps, Limiter
from vidgo_async._core.retry import Backoff
from vidgo_async.sandbox import Sandbox, answer

QUESTION = "are limits of every kind found, and is what they allow used?"

SECONDS = (20.0, 40.0)
FREE_REFUSALS = 16 + 6
"""The first volley, and six probes: beyond them refusals count."""
MAX_REFUSED = 0.03
"""Target: share of submits refused beyond those."""
MAX_LATE = 1.1
"""Target: lateness over that on a server without limits."""
MAX_MAKESPAN = 1.15
"""Target: time over that of list scheduling on so many machines."""
MIN_USED = 0.95
"""Target: share of a limit that several sessions use together."""
MAX_AFTER_ODD = 5.0
"""Target: seconds for 20 submits after one odd 429."""

Make = Callable[[Sandbox], ServerLimit]


@attrs.define
class Result:
    """What came of one batch."""

    sold: list[float]
    """When each task was sold, in seconds from the start."""
    seconds: list[float]
    """How long each task took."""
    refused: list[float]
    late: float
    """Seconds from the end of a task to its outcome, on average."""
    took: float
    failed: int

    def share_refused(self) -> float:
        """Return the share of submits refused beyond those that no client can avoid."""
        return max(0, len(self.refused) - FREE_REFUSALS) / len(self.sold)


async def _batch(
    count: int,
    make: Make | None = None,
    retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
    change: tuple[float, int] | None = None,
) -> Result:
    """Generate so many videos at once; the limit's number may change at some second."""
    loop = asyncio.get_running_loop()
    refused, late = list[float](), list[float]()
    async with Sandbox(seconds=SECONDS, credits=1e9, keepalive=1e9) as sandbox:
        began = loop.time()
        if make is not None:
            limit = make(sandbox)
            note = limited(limit, lambda: refused.append(loop.time() - began))
            sandbox.inject(note, times=None)
            if change is not None:
                loop.call_later(change[0], setattr, limit, "number", change[1])
        async with VidgoSession(
            sandbox.api_key, base_url=sandbox.url, polling=FixedPolling(3.0), retry=retry
        ) as vidgo:
            batch = vidgo.generate_many(foxes(count), max_in_flight=count, timeout=None)
            async for outcome in batch:
                if outcome.task is not None:
                    late.append(loop.time() - sandbox.tasks[outcome.task.task_id].ends_at)
        tasks = sandbox.tasks.values()
        return Result(
            [task.sold_at - began for task in tasks],
            [task.seconds for task in tasks],
            refused,
            statistics.mean(late),
            loop.time() - began,
            batch.failed,
        )


# --- The tables -------------------------------------------------------------------------------


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="default 1")


def run(options: argparse.Namespace) -> bool:
    """Measure, and print a table for each kind of limit."""
    random.seed(options.seed)
    # One batch of 200 tells this only to a tenth or so.
    unlimited = statistics.mean(virtual.run(_batch(200)).late for _ in range(10))
    print(f"without a limit ends are noticed {unlimited:.2f} s late")
    tables = (_windows(unlimited), _at_once(unlimited), _long(), _changes(), _shared(), _odd())
    return all(tables)


def _windows(unlimited: float) -> bool:
    rows = list[Sequence[str]]()
    met = True
    for kind in (FixedWindow, SlidingWindow):
        for count, most, repeats in ((60, 1.35, 10), (200, 1.15, 3)):
            batch = partial(_batch, count, partial(_window, kind, 20, 10.0))
            results = [virtual.run(batch()) for _ in range(repeats)]
            best = 10.0 * (count // 20 - 1)
            took = max(max(each.sold) for each in results)
            refused = max(len(each.refused) for each in results)
            share = max(each.share_refused() for each in results)
            late = statistics.mean(each.late for each in results) / unlimited
            failed = any(each.failed for each in results)
            good = took <= most * best and share <= MAX_REFUSED and late <= MAX_LATE and not failed
            met = met and good
            name = f"{kind.__name__}, {count} submits"
            cells = (f"{best:.0f}", f"{took:.1f}", f"{took / best:.2f}", f"{most:.2f}")
            rows.append((name, *cells, str(refused), f"{share:.1%}", f"{late:.2f}", _word(good)))
    print("\n20 new tasks in 10 s, the worst of several batches; late: their mean lateness of")
    print("ends over that without a limit")
    header = ("limit", "best, s", "took, s", "ratio", "at most", "refused", "beyond", "late", "met")
    print_table(header, rows)
    return met


def _at_once(unlimited: float) -> bool:
    rows = list[Sequence[str]]()
    met = True
    for number, count, repeats in ((2, 12, 10), (20, 200, 3), (100, 1000, 1)):
        results = [virtual.run(_batch(count, partial(_places, number))) for _ in range(repeats)]
        best = statistics.mean(_list_scheduling(each.seconds, number) for each in results)
        took = statistics.mean(each.took for each in results)
        ratio = took / best
        late = statistics.mean(each.late for each in results) / unlimited
        each = statistics.mean(len(each.refused) for each in results) / count
        failed = sum(each.failed for each in results)
        good = ratio <= MAX_MAKESPAN and each <= 2 and late <= MAX_LATE and not failed
        met = met and good
        cells = (f"{best:.0f}", f"{took:.0f}", f"{ratio:.2f}", f"{each:.2f}", f"{late:.2f}")
        rows.append((str(number), str(count), *cells, _word(good)))
    print(f"\nso many tasks at once; at most {MAX_MAKESPAN} x list scheduling, 2 refusals a task")
    header = ("at once", "tasks", "list, s", "took, s", "ratio", "refused a task", "late", "met")
    print_table(header, rows)
    return met


def _long() -> bool:
    rows = list[Sequence[str]]()
    met = True
    patient = RetryPolicy(timeout=7200.0)
    for number, length, count, retry in (
        (60, 60.0, 600, RetryPolicy()),
        (1000, 3600.0, 1200, patient),
    ):
        make = partial(_window, FixedWindow, number, length)
        result = virtual.run(_batch(count, make, retry=retry))
        beyond = max(0, len(result.refused) - 16) / count
        gaps = [b - a for a, b in zip(result.refused, result.refused[1:], strict=False) if a > 120]
        closest = min(gaps, default=float("inf"))
        good = not result.failed and beyond < MAX_REFUSED and closest >= 119
        met = met and good
        cells = (f"{max(result.sold):.0f}", str(len(result.refused)), f"{beyond:.1%}")
        rows.append(
            (f"{number} in {length:g} s", str(count), *cells, f"{closest:.0f}", _word(good))
        )
    print("\nlong windows, no Retry-After; beyond: refused beyond the first volley, under 3 %")
    header = ("limit", "submits", "took, s", "refused", "beyond", "probes apart, s", "met")
    print_table(header, rows)
    return met


def _changes() -> bool:
    rows = list[Sequence[str]]()
    met = True
    makes: dict[str, tuple[Make, int]] = {
        "20 in 10 s": (partial(_window, FixedWindow, 20, 10.0), 30),
        "20 at once": (partial(_places, 20), 60),
    }
    for name, (make, at) in makes.items():
        for word, number in (("halves", 10), ("doubles", 40), ("vanishes", 10**9)):
            result = virtual.run(_batch(240, make, change=(float(at), number)))
            met = met and not result.failed
            figures = (f"{max(result.sold):.0f}", f"{result.took:.0f}", str(len(result.refused)))
            rows.append((name, f"{word} at {at} s", *figures, str(result.failed)))
    print("\nlimits that change in a batch of 240: none may fail")
    print_table(("limit", "change", "submitted, s", "took, s", "refused", "failed"), rows)
    return met


def _shared() -> bool:
    rows = list[Sequence[str]]()
    met = True
    for sessions in (4, 16):
        bucket = virtual.run(_share(sessions, 50.0))
        used, refused = bucket.between(60.0, 240.0)
        good = used >= MIN_USED and refused < MAX_REFUSED
        met = met and good
        rows.append((str(sessions), f"{used:.3f}", f"{refused:.2%}", _word(good)))
    print(f"\nsessions that share 50 a second, seconds 60 to 240; at least {MIN_USED} used")
    print_table(("sessions", "used", "refused", "met"), rows)
    return met


async def _share(sessions: int, rate: float) -> Bucket:
    bucket = Bucket(lambda _: rate)
    caps = Caps(max_concurrent_requests=64, max_concurrent_submits=16)
    await asyncio.gather(
        *(flood(Limiter(caps, Backoff(RetryPolicy())), bucket, 240.0) for _ in range(sessions))
    )
    return bucket


def _odd() -> bool:
    took = virtual.run(_after_an_odd_429())
    good = took <= MAX_AFTER_ODD
    print(f"\nafter one 429 that came after 25 s, 20 submits take {took:.1f} s (at most 5)")
    return good


async def _after_an_odd_429() -> float:
    loop = asyncio.get_running_loop()
    refuse = answer(429)

    async def late(request: object, handler: object) -> object:
        await asyncio.sleep(25)
        return await refuse(request, handler)  # type: ignore[arg-type]  # as aiohttp's own

    async with Sandbox(keepalive=1e9) as sandbox:
        sandbox.inject(late)  # type: ignore[arg-type]  # as above
        async with VidgoSession(sandbox.api_key, base_url=sandbox.url) as vidgo:
            await vidgo.submit(foxes(1)[0])
            began = loop.time()
            await asyncio.gather(*map(vidgo.submit, foxes(20)))
            return loop.time() - began


def _window(
    kind: type[FixedWindow] | type[SlidingWindow], number: int, length: float, _: Sandbox
) -> ServerLimit:
    return kind(number, length)


def _places(number: int, sandbox: Sandbox) -> ServerLimit:
    return AtOnce(sandbox, number)


def _list_scheduling(seconds: Sequence[float], machines: int) -> float:
    """Return when the last of these tasks ends, if each begins as soon as a machine is free."""
    free = [0.0] * machines
    for each in seconds:
        heapq.heapreplace(free, free[0] + each)
    return max(free)


def _word(good: bool) -> str:
    return "yes" if good else "NO"
