"""The limiter of API calls: pauses after a 429, and a maximal rate."""

import math
from itertools import pairwise

import anyio
import pytest

from tests.support.limiter import Requests, cancel, pause, polite, run_loop

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [(0.5, 0.5), (5.0, 5), (60.0, 60), (61.0, 60), (86_400.0, 60), (math.inf, 60)],
)
async def test_a_429_pauses_all_requests(requests: Requests, asked: float, seconds: float) -> None:
    """After a 429 no request starts for as long as the server asked, at most 60 seconds."""
    requests.limiter = polite(4)
    began = anyio.current_time()
    requests.limiter.refused(began, asked)
    requests.start("submit1", "poll1")
    await run_loop()
    assert requests.inside == []
    assert requests.limiter.resumes_at == pytest.approx(began + seconds, abs=0.1)

    await anyio.sleep_until(began + seconds + 0.1)
    assert requests.inside == ["submit1", "poll1"]
    assert all(seconds <= start - began < seconds + 0.1 for start in requests.starts)


async def test_a_second_429_prolongs_the_pause(requests: Requests) -> None:
    """Requests that wait for the end of a pause wait for the end of the next one too."""
    began = anyio.current_time()
    requests.limiter.refused(began, 5.0)
    requests.start("submit1", "submit2")
    await run_loop()
    requests.limiter.refused(began, 20.0)
    await anyio.sleep_until(began + 21)

    assert requests.inside == ["submit1"]
    assert requests.starts[0] - began >= 20


async def test_a_pause_is_never_shortened(requests: Requests) -> None:
    """A shorter wish does not end a longer pause."""
    requests.limiter.refused(anyio.current_time(), 30.0)
    requests.limiter.refused(anyio.current_time(), 1.0)

    assert pause(requests.limiter) == pytest.approx(30, abs=0.1)
    requests.start("submit")


async def test_a_waiter_cancelled_during_a_pause(requests: Requests) -> None:
    """A request cancelled during a pause is removed; the pause ends for the others."""
    requests.limiter.refused(anyio.current_time(), 5.0)
    requests.start("submit1", "submit2")
    await run_loop()
    await cancel(requests.tasks["submit1"])
    await anyio.sleep(6)

    assert requests.inside == ["submit2"]


async def test_the_pause_doubles_with_each_round_trip() -> None:
    """A 429 to a request sent after the last 429 doubles the pause, plus or minus 25 %."""
    for refusals in range(1, 9):
        limiter = polite()
        for _ in range(refusals):
            limiter.refused(anyio.current_time(), None)

        doubled = 2.0 ** (refusals - 1)
        least, most = min(30, 0.75 * doubled), min(30, 1.25 * doubled)
        assert least - 0.1 < pause(limiter) < most + 0.1


async def test_one_burst_counts_once() -> None:
    """429s to requests that were in flight at the last 429 do not add up."""
    limiter = polite()
    sent_at = anyio.current_time()
    await anyio.sleep(1)
    for _ in range(50):
        limiter.refused(sent_at, None)

    assert 0.65 < pause(limiter) <= 1.25


async def test_a_success_resets_the_pause() -> None:
    """After the success of a request sent later, the next 429 counts as the first."""
    limiter = polite()
    for _ in range(5):
        limiter.refused(anyio.current_time(), None)
    await anyio.sleep(30)
    limiter.accepted(anyio.current_time())
    limiter.refused(anyio.current_time(), None)

    assert 0.65 < pause(limiter) <= 1.25


async def test_an_old_success_resets_nothing() -> None:
    """The success of a request sent before the last 429 does not reset the pause."""
    limiter = polite()
    sent_at = anyio.current_time()
    await anyio.sleep(1)
    limiter.refused(anyio.current_time(), None)
    limiter.refused(anyio.current_time(), None)
    await anyio.sleep(5)
    limiter.accepted(sent_at)
    limiter.refused(anyio.current_time(), None)

    assert 2.9 < pause(limiter) <= 5


async def test_a_rate_spaces_the_starts(requests: Requests) -> None:
    """With a rate of two a second, starts of any kind are half a second apart."""
    requests.limiter = polite(16, rate=2.0)
    began = anyio.current_time()
    requests.start("submit1", "poll1", "submit2", "poll2", "submit3")
    await anyio.sleep(3)

    starts = [start - began for start in requests.starts]
    assert starts == pytest.approx([0, 0.5, 1, 1.5, 2], abs=0.1)
    assert all(b - a >= 0.499 for a, b in pairwise(starts))


async def test_a_rate_saves_nothing_up(requests: Requests) -> None:
    """Idle time is no credit: after it the starts are as far apart as ever."""
    requests.limiter = polite(16, rate=2.0)
    await anyio.sleep(100)
    requests.start("submit1", "submit2", "submit3")
    await anyio.sleep(3)

    starts = requests.starts
    assert [starts[1] - starts[0], starts[2] - starts[1]] == pytest.approx([0.5, 0.5], abs=0.1)


async def test_a_rate_needs_slots_too(requests: Requests) -> None:
    """A rate admits no request beyond the limit."""
    requests.limiter = polite(2, rate=10.0)
    requests.start("submit1", "submit2", "submit3")
    await anyio.sleep(5)

    assert requests.inside == ["submit1", "submit2"]
