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
    requests.throttle = polite(4)
    began = anyio.current_time()
    requests.throttle.slow_down(began, asked)
    requests.start("submit1", "poll1")
    await run_loop()
    assert requests.inside == []
    assert requests.throttle.resumes_at == pytest.approx(began + seconds, abs=0.1)

    await anyio.sleep_until(began + seconds + 0.1)
    assert requests.inside == ["submit1", "poll1"]
    assert all(seconds <= start - began < seconds + 0.1 for start in requests.starts)


async def test_a_second_429_prolongs_the_pause(requests: Requests) -> None:
    """Requests that wait for the end of a pause wait for the end of the next one too."""
    began = anyio.current_time()
    requests.throttle.slow_down(began, 5.0)
    requests.start("submit1", "submit2")
    await run_loop()
    requests.throttle.slow_down(began, 20.0)
    await anyio.sleep_until(began + 21)

    assert requests.inside == ["submit1"]
    assert requests.starts[0] - began >= 20


async def test_a_pause_is_never_shortened(requests: Requests) -> None:
    """A shorter wish does not end a longer pause."""
    requests.throttle.slow_down(anyio.current_time(), 30.0)
    requests.throttle.slow_down(anyio.current_time(), 1.0)

    assert pause(requests.throttle) == pytest.approx(30, abs=0.1)
    requests.start("submit")


async def test_a_waiter_cancelled_during_a_pause(requests: Requests) -> None:
    """A request cancelled during a pause is removed; the pause ends for the others."""
    requests.throttle.slow_down(anyio.current_time(), 5.0)
    requests.start("submit1", "submit2")
    await run_loop()
    await cancel(requests.tasks["submit1"])
    await anyio.sleep(6)

    assert requests.inside == ["submit2"]


async def test_the_pause_doubles_with_each_round_trip() -> None:
    """A 429 to a request sent after the last 429 doubles the pause, plus or minus 25 %."""
    for refusals in range(1, 9):
        throttle = polite()
        for _ in range(refusals):
            throttle.slow_down(anyio.current_time(), None)

        doubled = 2.0 ** (refusals - 1)
        least, most = min(30, 0.75 * doubled), min(30, 1.25 * doubled)
        assert least - 0.1 < pause(throttle) < most + 0.1


async def test_one_burst_counts_once() -> None:
    """429s to requests that were in flight at the last 429 do not add up."""
    throttle = polite()
    sent_at = anyio.current_time()
    await anyio.sleep(1)
    for _ in range(50):
        throttle.slow_down(sent_at, None)

    assert 0.65 < pause(throttle) <= 1.25


async def test_a_success_resets_the_pause() -> None:
    """After the success of a request sent later, the next 429 counts as the first."""
    throttle = polite()
    for _ in range(5):
        throttle.slow_down(anyio.current_time(), None)
    await anyio.sleep(30)
    throttle.speed_up(anyio.current_time())
    throttle.slow_down(anyio.current_time(), None)

    assert 0.65 < pause(throttle) <= 1.25


async def test_an_old_success_resets_nothing() -> None:
    """The success of a request sent before the last 429 does not reset the pause."""
    throttle = polite()
    sent_at = anyio.current_time()
    await anyio.sleep(1)
    throttle.slow_down(anyio.current_time(), None)
    throttle.slow_down(anyio.current_time(), None)
    await anyio.sleep(5)
    throttle.speed_up(sent_at)
    throttle.slow_down(anyio.current_time(), None)

    assert 2.9 < pause(throttle) <= 5


async def test_a_rate_spaces_the_starts(requests: Requests) -> None:
    """With a rate of two a second, starts of any kind are half a second apart."""
    requests.throttle = polite(16, rate=2.0)
    began = anyio.current_time()
    requests.start("submit1", "poll1", "submit2", "poll2", "submit3")
    await anyio.sleep(3)

    starts = [start - began for start in requests.starts]
    assert starts == pytest.approx([0, 0.5, 1, 1.5, 2], abs=0.1)
    assert all(b - a >= 0.499 for a, b in pairwise(starts))


async def test_a_rate_saves_nothing_up(requests: Requests) -> None:
    """Idle time is no credit: after it the starts are as far apart as ever."""
    requests.throttle = polite(16, rate=2.0)
    await anyio.sleep(100)
    requests.start("submit1", "submit2", "submit3")
    await anyio.sleep(3)

    starts = requests.starts
    assert [starts[1] - starts[0], starts[2] - starts[1]] == pytest.approx([0.5, 0.5], abs=0.1)


async def test_a_rate_needs_slots_too(requests: Requests) -> None:
    """A rate admits no request beyond the limit."""
    requests.throttle = polite(2, rate=10.0)
    requests.start("submit1", "submit2", "submit3")
    await anyio.sleep(5)

    assert requests.inside == ["submit1", "submit2"]
