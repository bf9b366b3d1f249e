"""The rate that 429s show: as plain numbers, and against a server that counts."""

import asyncio
import random

import anyio
import pytest

from vidgo_async import RetryPolicy
from vidgo_async._api.limiter import Limiter
from vidgo_async._api.rate import GROWTH, GROWTH_TIME, SAFETY, SETTLED, STEP, Rate
from vidgo_async._core.retry import Backoff


def refused_at(speed: float) -> Rate:
    """Make a rate that got its first 429 at that speed, at second 0."""
    pace = Rate()
    pace.record_refused(0.0, speed, 1.0)
    return pace


def test_there_is_no_rate_before_the_first_429() -> None:
    """Without a 429 there is no rate, whatever succeeds and however long it takes."""
    pace = Rate()
    for _ in range(1000):
        pace.record_accepted()
        pace.record_wait(1.0)
    assert pace.rate() is None


def test_the_first_refusal_halves_the_speed() -> None:
    """The first guess is half of the speed that was too much."""
    assert refused_at(100.0).limit == 50.0


def test_two_429s_show_the_limit() -> None:
    """The limit is what was accepted between two 429s, by the time between them."""
    pace = refused_at(1000.0)
    for _ in range(20):
        pace.record_accepted()
        pace.record_wait(0.1)
    pace.record_refused(2.0, 1000.0, 1.0)
    assert pace.limit == pytest.approx(10.0)
    assert pace.rate() == pytest.approx(SAFETY * 10.0)


def test_a_rate_that_is_used_grows() -> None:
    """After half a minute at full rate it has grown by nine tenths of the limit."""
    pace = refused_at(20.0)
    while (seconds := pace._at_full_rate) < GROWTH_TIME:
        pace.record_wait(min(0.05, GROWTH_TIME - seconds))
    assert pace.rate() == pytest.approx(10.0 * (SAFETY + GROWTH))


def test_a_pause_does_not_make_it_grow() -> None:
    """A long wait, as after `Retry-After`, counts for two requests at most."""
    pace = refused_at(20.0)
    pace.record_wait(60.0)
    assert pace.rate() == pytest.approx(SAFETY * 10.0, rel=1e-3)


def test_a_refusal_after_a_refusal_changes_nothing() -> None:
    """Where nothing was accepted in between the pause was too short, not the rate too high."""
    pace = refused_at(20.0)
    pace.record_refused(1.0, 20.0, 1.0)
    assert pace.limit == 10.0


def test_an_unused_rate_is_no_evidence() -> None:
    """Ten requests in ten minutes do not mean a limit of one a minute."""
    pace = refused_at(20.0)
    for _ in range(10):
        pace.record_accepted()
    pace.record_refused(600.0, 20.0, 1.0)
    assert pace.limit == pytest.approx(STEP * SAFETY * 10.0)


def test_a_rate_that_was_about_right_loses_a_fifth_at_most() -> None:
    """After some seconds at full rate one refusal costs no more than a fifth of it."""
    pace = refused_at(20.0)
    while pace._at_full_rate <= SETTLED:
        pace.record_accepted()
        pace.record_wait(0.15)
    rate = pace.rate() or 0.0
    pace.record_refused(pace._waited, 20.0, 1.0)
    assert pace.limit == pytest.approx(STEP * rate)


def test_a_long_pause_saves_up_no_more_than_a_bucket() -> None:
    """Of a minute's pause one second counts as time in which the server counted."""
    pace = Rate()
    pace.record_refused(0.0, 1000.0, 60.0)
    for _ in range(20):
        pace.record_accepted()
        pace.record_wait(0.1)
    pace.record_refused(61.0, 1000.0, 1.0)
    assert pace.limit == pytest.approx(10.0)


class Bucket:
    """A server that allows so many requests a second, and as many at once."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.accepted = self.refused = 0
        self._tokens = limit
        self._at = anyio.current_time()

    def takes(self) -> bool:
        """Accept a request, or refuse it."""
        at = anyio.current_time()
        self._tokens = min(self.limit, self._tokens + (at - self._at) * self.limit)
        self._at = at
        taken = self._tokens >= 1
        self._tokens -= taken
        self.accepted += taken
        self.refused += not taken
        return taken


async def flood(limiter: Limiter, bucket: Bucket, until: float) -> None:
    """Send all the time, as fast as the limiter allows."""
    while anyio.current_time() < until:
        await limiter.acquire(limiter.submits)
        sent_at = anyio.current_time()
        await asyncio.sleep(0.05)
        if bucket.takes():
            limiter.accepted(sent_at)
        else:
            limiter.refused(sent_at, None)
        limiter.release(limiter.submits)


@pytest.mark.virtual_time
@pytest.mark.parametrize("factor", [1.0, 0.5, 2.0])
async def test_a_limit_is_found_and_kept(factor: float) -> None:
    """Nine tenths of a limit are used and 2 % refused at most, 30 s after it changed."""
    bucket = Bucket(10.0)
    limiter = Limiter(16, None, Backoff(RetryPolicy()))
    limiter.backoff._random = random.Random(1)
    async with asyncio.TaskGroup() as group:
        for _ in range(16):
            group.create_task(flood(limiter, bucket, anyio.current_time() + 120))
        await asyncio.sleep(30)
        bucket.limit *= factor
        await asyncio.sleep(30)
        accepted, refused = bucket.accepted, bucket.refused
        await asyncio.sleep(60)
        accepted, refused = bucket.accepted - accepted, bucket.refused - refused
    limiter.close("done")
    assert accepted >= 0.9 * 60 * bucket.limit
    assert refused <= 0.02 * (accepted + refused)


@pytest.mark.virtual_time
async def test_a_cap_holds_beside_a_found_limit() -> None:
    """Of the caller's cap and the limit that was found the lower one counts."""
    bucket = Bucket(20.0)
    limiter = Limiter(16, 10.0, Backoff(RetryPolicy()))
    limiter.refused(anyio.current_time(), None)
    async with asyncio.TaskGroup() as group:
        for _ in range(16):
            group.create_task(flood(limiter, bucket, anyio.current_time() + 60))
    limiter.close("done")
    assert bucket.refused == 0
    assert 0.9 * 580 <= bucket.accepted <= 600 + 16  # those who were waiting at the end
