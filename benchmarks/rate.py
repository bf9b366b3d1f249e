"""How much of a server's rate limit is used, and how many requests are refused.

The session's limiter sends at its own rate to a token bucket of R requests a second with a capacity
of one second. Time is virtual: the limit may be halved or doubled after 30 seconds, and fifteen
minutes are measured from 60 seconds on.
"""

import argparse
import asyncio
import itertools
import random
from collections.abc import Callable
from functools import partial

import attrs

from benchmarks import virtual
from benchmarks.tables import print_table
from vidgo_async import RateLimitError, RetryPolicy
from vidgo_async._api.limiter import Caps, Limiter
from vidgo_async._core.retry import Backoff

QUESTION = "does the session find a server's rate limit, and keep just below it?"

SETTLING = 30.0
"""Seconds for the limiter to find a limit, before and after the change."""
MEASURED = 900.0
"""Seconds that are then measured."""
ROUND_TRIP = (0.04, 0.08)
"""Seconds from a request to its answer."""
MIN_USED = 0.90
"""Target: share of the limit."""
MAX_REFUSED = 0.02
"""Target: share of all requests."""


@attrs.define(eq=False)
class Bucket:
    """A server with a token bucket, and the times of all requests."""

    limit: Callable[[float], float]
    accepted: list[float] = attrs.field(factory=list[float])
    refused: list[float] = attrs.field(factory=list[float])
    _tokens: float = 0.0
    _at: float = 0.0

    def accept(self, now: float) -> bool:
        """Accept a request if there is a token."""
        limit = self.limit(now)
        self._tokens = min(limit, self._tokens + (now - self._at) * limit)
        self._at = now
        accepts = self._tokens >= 1
        self._tokens -= accepts
        (self.accepted if accepts else self.refused).append(now)
        return accepts

    def between(self, start: float, end: float) -> tuple[float, float]:
        """Return the share of the limit used, and the share of the requests refused."""
        accepted = sum(start <= at < end for at in self.accepted)
        refused = sum(start <= at < end for at in self.refused)
        used = accepted / ((end - start) * self.limit(end))
        return used, refused / max(1, accepted + refused)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        "--limits", type=float, nargs="+", default=[5, 50, 500], metavar="R", help="a second"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="default 1")


def run(options: argparse.Namespace) -> bool:
    """Measure, and print a row for each limit and change."""
    rows = list[tuple[str, ...]]()
    met = True
    for limit, (name, factor) in itertools.product(
        options.limits, {"none": 1.0, "halved": 0.5, "doubled": 2.0}.items()
    ):
        random.seed(options.seed)
        bucket = virtual.run(_flood(partial(_limit, limit, factor), limit))
        used, refused = bucket.between(2 * SETTLING, 2 * SETTLING + MEASURED)
        settling = bucket.between(SETTLING, 2 * SETTLING)
        met = met and used >= MIN_USED and refused < MAX_REFUSED
        figures = (f"{used:.3f}", f"{refused:.2%}", f"{settling[0]:.3f}", f"{settling[1]:.2%}")
        rows.append((f"{limit:g}", name, *figures))
    print(f"share of the limit used (at least {MIN_USED}), requests refused (under 2 %)")
    print_table(
        (
            "limit a second",
            "changed at 30 s",
            "used, 60 to 960 s",
            "refused",
            "used, 30 to 60 s",
            "refused",
        ),
        rows,
    )
    return met


def _limit(limit: float, factor: float, now: float) -> float:
    return limit if now < SETTLING else limit * factor


async def _flood(limit: Callable[[float], float], max_limit: float) -> Bucket:
    """Send without a pause, with at least four times the concurrency that the limit needs."""
    bucket = Bucket(limit)
    most = max(64, int(max_limit * 8 * ROUND_TRIP[1]))
    caps = Caps(max_concurrent_requests=most, max_concurrent_submits=most)
    await flood(Limiter(caps, Backoff(RetryPolicy())), bucket, 2 * SETTLING + MEASURED)
    return bucket


async def flood(limiter: Limiter, bucket: Bucket, until: float) -> None:
    """Send without a pause until that time, with twice as many callers as there are permits."""
    loop = asyncio.get_running_loop()

    async def send_in_a_loop() -> None:
        while loop.time() < until:
            permit = await limiter.acquire(limiter.others)
            await asyncio.sleep(random.uniform(*ROUND_TRIP) / 2)
            accepted = bucket.accept(loop.time())
            await asyncio.sleep(random.uniform(*ROUND_TRIP) / 2)
            if accepted:
                permit.accepted(limiter.now())
            else:
                permit.refused(RateLimitError("too fast", 429))
            permit.release()

    await asyncio.gather(*(send_in_a_loop() for _ in range(2 * limiter.limit)))
