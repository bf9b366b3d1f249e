"""The rate that 429s show: as plain numbers, and against a server that counts."""

import asyncio
import math
import random

import anyio
import attrs
import pytest

from tests.support.limiter import polite
from tests.support.limits import Bucket
from vidgo_async import RateLimitError
from vidgo_async._api.limiter import Limiter
from vidgo_async._api.rate import GROWTH, GROWTH_TIME, SAFETY, SETTLED, STEP, Rate


def found(limit: float, at: float = 0.0) -> Rate:
    """Make a rate that has just learned of a limit of so many a second."""
    rate = Rate()
    rate.refused(at - 1.0, 0.0, 0.0, is_odd=False)
    for _ in range(int(limit)):
        rate.accepted()
    rate.refused(at, 0.0, 0.0, is_odd=False)
    return rate


def send_for(rate: Rate, seconds: float, start: float = 0.0, *, accepted: bool = True) -> float:
    """Send as soon as the rate allows, for so many seconds; return the time."""
    now = start
    while (now := max(now, rate.opens_at())) < start + seconds:
        rate.sent(now)
        if accepted:
            rate.accepted()
    return now


def test_there_is_no_rate_before_the_first_429() -> None:
    """Without a 429 there is no rate, whatever succeeds and however long it takes."""
    rate = Rate()
    for second in range(1000):
        rate.sent(second)
        rate.accepted()
    assert rate.rate() is None
    assert rate.opens_at() == -math.inf


def test_one_429_shows_no_limit() -> None:
    """How fast the first refused request was sent is no measure of what the server allows."""
    rate = Rate()
    rate.accepted()
    rate.refused(10.0, 1.0, 0.0, is_odd=False)
    assert rate.rate() is None


def test_odd_429s_show_no_limit() -> None:
    """Single refusals among many acceptances are no limit, however many they become."""
    rate = Rate()
    for second in range(100):
        for _ in range(50):
            rate.accepted()
        rate.refused(second, 1.0, 0.0, is_odd=True)
    assert rate.rate() is None


def test_two_429s_show_the_limit() -> None:
    """The limit is what was accepted between two 429s, by the time between them."""
    rate = found(10.0)
    assert rate.limit == pytest.approx(10.0)
    assert rate.rate() == pytest.approx(SAFETY * 10.0)


def test_the_rate_does_not_fall_below_its_floor() -> None:
    """What was accepted for half a minute is not doubted for a few refusals."""
    rate = found(10.0)
    now = send_for(rate, 2.0)
    rate.refused(now + 20.0, 1.0, 9.0, is_odd=False)
    assert rate.limit == 9.0


def test_a_rate_that_is_used_grows() -> None:
    """After half a minute at full rate it has grown by nine tenths of the limit."""
    rate = found(10.0)
    send_for(rate, GROWTH_TIME + 0.2)
    assert rate.rate() == pytest.approx(10.0 * (SAFETY + GROWTH), rel=0.05)


def test_a_pause_does_not_make_it_grow() -> None:
    """A long wait, as after `Retry-After`, counts for two requests at most."""
    rate = found(10.0)
    rate.sent(60.0)
    assert rate.rate() == pytest.approx(SAFETY * 10.0, rel=1e-3)


def test_a_refusal_after_a_refusal_changes_nothing() -> None:
    """Where nothing was accepted in between the pause was too short, not the rate too high."""
    rate = found(10.0)
    rate.refused(1.0, 1.0, 0.0, is_odd=False)
    assert rate.limit == 10.0


def test_an_unused_rate_is_no_evidence() -> None:
    """Ten requests in ten minutes do not mean a limit of one a minute."""
    rate = found(10.0)
    for minute in range(10):
        rate.sent(60.0 * minute)
        rate.accepted()
    rate.refused(600.0, 1.0, 0.0, is_odd=False)
    assert rate.limit == pytest.approx(STEP * SAFETY * 10.0, rel=1e-3)


def test_a_rate_that_was_about_right_loses_a_fifth_at_most() -> None:
    """After some seconds at full rate one refusal costs no more than a fifth of it."""
    rate = found(10.0)
    now = send_for(rate, SETTLED + 1.0, accepted=False)
    rate.accepted()
    before = rate.rate() or 0.0
    rate.refused(now, 1.0, 0.0, is_odd=False)
    assert rate.limit == pytest.approx(STEP * before)


def test_a_long_pause_saves_up_no_more_than_a_bucket() -> None:
    """Of a minute's pause one second counts as time in which the server counted."""
    rate = Rate()
    rate.refused(0.0, 60.0, 0.0, is_odd=False)
    for _ in range(20):
        rate.accepted()
    rate.refused(61.0, 1.0, 0.0, is_odd=False)
    assert rate.limit == pytest.approx(10.0)


@attrs.define
class Flood:
    """Requests that are sent as fast as the limiter allows."""

    limiter: Limiter
    bucket: Bucket
    accepted: int = 0
    refused: int = 0

    async def run(self, until: float) -> None:
        while anyio.current_time() < until:
            permit = await self.limiter.acquire(self.limiter.others)
            await asyncio.sleep(0.05)
            if self.bucket.allows(anyio.current_time()):
                self.accepted += 1
                permit.accepted(self.limiter.now())
            else:
                self.refused += 1
                permit.refused(RateLimitError("too fast", 429))
            permit.release()


@pytest.mark.virtual_time
@pytest.mark.parametrize("factor", [1.0, 0.5, 2.0])
async def test_a_limit_is_found_and_kept(factor: float) -> None:
    """Nine tenths of a limit are used and 2 % refused at most, 30 s after it changed."""
    flood = Flood(polite(16), bucket := Bucket(10.0))
    flood.limiter.backoff._random = random.Random(1)
    async with asyncio.TaskGroup() as group:
        for _ in range(16):
            group.create_task(flood.run(anyio.current_time() + 120))
        await asyncio.sleep(30)
        bucket.rate *= factor
        await asyncio.sleep(30)
        accepted, refused = flood.accepted, flood.refused
        await asyncio.sleep(60)
        accepted, refused = flood.accepted - accepted, flood.refused - refused
    flood.limiter.close("done")
    assert accepted >= 0.9 * 60 * bucket.rate
    assert refused <= 0.02 * (accepted + refused)


@pytest.mark.virtual_time
async def test_a_cap_holds_beside_a_found_limit() -> None:
    """Of the caller's cap and the limit that was found the lower one counts."""
    flood = Flood(polite(16, 10.0), Bucket(20.0))
    async with asyncio.TaskGroup() as group:
        for _ in range(16):
            group.create_task(flood.run(anyio.current_time() + 60))
    flood.limiter.close("done")
    assert flood.refused == 0
    assert 0.9 * 580 <= flood.accepted <= 600 + 16  # those who were waiting at the end
