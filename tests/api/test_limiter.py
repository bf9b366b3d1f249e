"""The gate of all API calls: how many at once, who goes first, and how fast."""

import asyncio
import math
from collections.abc import AsyncIterator
from itertools import pairwise

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidgo_async import RetryPolicy, SessionClosedError
from vidgo_async._api.limiter import Lane, Throttle

pytestmark = pytest.mark.virtual_time

TURNS = 3
"""Turns of the loop in which whoever was let in has come in."""


class Requests:
    """Requests that hold their slot until they are told to end."""

    def __init__(self, throttle: Throttle) -> None:
        self.throttle = throttle
        self.inside: list[str] = []
        self.starts: list[float] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, asyncio.Event] = {}

    def start(self, *names: str) -> None:
        """Start requests in this order; those whose name begins with a p are polls."""
        for name in names:
            self._ends[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._run(name))

    def end(self, *names: str) -> None:
        for name in names:
            self._ends[name].set()

    async def _run(self, name: str) -> None:
        lane = self.throttle.polls if name.startswith("p") else self.throttle.submits
        await self.throttle.acquire(lane)
        self.inside.append(name)
        self.starts.append(asyncio.get_running_loop().time())
        try:
            await self._ends[name].wait()
        finally:
            self.inside.remove(name)
            self.throttle.release(lane)


def polite(limit: int = 1, rate: float | None = None) -> Throttle:
    return Throttle(limit, rate, RetryPolicy(initial_delay=1.0, max_delay=30.0))


async def come_in() -> None:
    for _ in range(TURNS):
        await anyio.lowlevel.checkpoint()


def now() -> float:
    return asyncio.get_running_loop().time()


def pause(throttle: Throttle) -> float:
    return throttle.resumes_at - now()


async def cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.fixture
async def requests() -> AsyncIterator[Requests]:
    """Give requests on a throttle of one slot; they are gone afterwards."""
    requests = Requests(polite())
    yield requests
    for task in requests.tasks.values():
        task.cancel()
    await asyncio.wait(requests.tasks.values())


# --- How many -------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 16])
async def test_no_more_than_the_limit(requests: Requests, limit: int) -> None:
    """However many want to, no more than `limit` are inside, and in the end all were."""
    requests.throttle = polite(limit)
    names = [f"{kind}{i}" for i in range(limit) for kind in ("submit", "poll", "poll")]
    requests.start(*names)

    for name in names:
        await come_in()
        assert len(requests.inside) <= limit
        requests.end(name)
    await asyncio.wait(requests.tasks.values())

    assert len(requests.starts) == len(names)


@pytest.mark.parametrize(
    ("limit", "polls"), [(1, 1), (2, 1), (3, 2), (4, 3), (5, 3), (16, 12), (100, 75)]
)
async def test_polls_take_three_quarters(requests: Requests, limit: int, polls: int) -> None:
    """Polls alone take three quarters of the slots, at least one; the rest is for submits."""
    requests.throttle = polite(limit)
    requests.start(*(f"poll{i}" for i in range(limit + 1)))
    await come_in()
    assert len(requests.inside) == polls

    requests.start(*(f"submit{i}" for i in range(limit + 1)))
    await come_in()
    assert len(requests.inside) == limit


async def test_submits_may_take_everything(requests: Requests) -> None:
    """Submits are not held to a share of the slots."""
    requests.throttle = polite(4)
    requests.start("poll", "s1", "s2", "s3", "s4")
    await come_in()

    assert requests.inside == ["poll", "s1", "s2", "s3"]


# --- Who ------------------------------------------------------------------------------------


async def test_submits_go_first(requests: Requests) -> None:
    """A free slot goes to a submit, even if a poll came earlier."""
    requests.start("first", "poll1", "poll2", "submit1", "submit2")
    order = []
    for _ in range(5):
        await come_in()
        order += requests.inside
        requests.end(*requests.inside)

    assert order == ["first", "submit1", "submit2", "poll1", "poll2"]


@pytest.mark.parametrize("kind", ["submit", "poll"])
async def test_first_come_first_served(requests: Requests, kind: str) -> None:
    """Within one kind of request the order is that of coming."""
    names = [f"{kind}{i}" for i in range(6)]
    requests.start(*names)
    order = []
    for _ in names:
        await come_in()
        order += requests.inside
        requests.end(*requests.inside)

    assert order == names


async def test_polls_beyond_their_share_do_not_hold_up_submits(requests: Requests) -> None:
    """Polls that wait for their share leave the free slot to a submit that comes later."""
    requests.throttle = polite(2)
    requests.start("poll1", "poll2", "submit")
    await come_in()

    assert requests.inside == ["poll1", "submit"]


@pytest.mark.parametrize("kind", ["submit", "poll"])
async def test_a_cancelled_waiter_is_passed_over(requests: Requests, kind: str) -> None:
    """Whoever is cancelled while waiting leaves the queue, and the next goes in."""
    requests.start("first", f"{kind}1", f"{kind}2")
    await come_in()
    await cancel(requests.tasks[f"{kind}1"])
    requests.end("first")
    await come_in()

    assert requests.inside == [f"{kind}2"]


async def test_a_slot_granted_while_cancelled_goes_on(requests: Requests) -> None:
    """A slot that is granted in the very turn of a cancellation is given to the next."""
    throttle = requests.throttle
    await throttle.acquire(throttle.submits)
    requests.start("submit1", "submit2")
    await come_in()
    throttle.release(throttle.submits)  # grants it to the first, who does not run before ...
    await cancel(requests.tasks["submit1"])
    await come_in()

    assert requests.inside == ["submit2"]
    assert len(requests.starts) == 1


STEPS = st.lists(
    st.tuples(st.sampled_from(["start", "end", "cancel", "turn"]), st.integers(0, 9)),
    max_size=40,
)


@given(st.integers(1, 4), STEPS)
async def test_no_slot_is_ever_lost(limit: int, steps: list[tuple[str, int]]) -> None:
    """In whatever order requests come, end and are cancelled, all slots come back."""
    requests = Requests(polite(limit))
    share = requests.throttle.polls.limit
    for number, (step, choice) in enumerate(steps):
        names = list(requests.tasks)
        if step == "start":
            requests.start(f"{'ps'[choice % 2]}{number}")
        elif step == "turn":
            await anyio.lowlevel.checkpoint()
        elif names and step == "end":
            requests.end(names[choice % len(names)])
        elif names:
            requests.tasks[names[choice % len(names)]].cancel()
        assert len(requests.inside) <= limit
        assert sum(name.startswith("p") for name in requests.inside) <= share

    requests.end(*requests.tasks)
    await asyncio.gather(*requests.tasks.values(), return_exceptions=True)
    fresh = [f"submit{i}" for i in range(limit)]
    requests.start(*fresh)
    await come_in()
    assert requests.inside == fresh
    requests.end(*fresh)
    await come_in()
    assert requests.throttle.submits.busy == requests.throttle.polls.busy == 0


# --- How fast -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [(0.5, 0.5), (5.0, 5), (60.0, 60), (61.0, 60), (86_400.0, 60), (math.inf, 60)],
)
async def test_one_refusal_stops_everybody(
    requests: Requests, asked: float, seconds: float
) -> None:
    """After a 429 nobody goes in for as long as the server asked, at most 60 seconds."""
    requests.throttle = polite(4)
    began = now()
    requests.throttle.slow_down(began, asked)
    requests.start("submit1", "poll1")
    await come_in()
    assert requests.inside == []
    assert requests.throttle.resumes_at == pytest.approx(began + seconds, abs=0.1)

    await anyio.sleep_until(began + seconds + 0.1)
    assert requests.inside == ["submit1", "poll1"]
    assert all(seconds <= start - began < seconds + 0.1 for start in requests.starts)


async def test_a_second_refusal_prolongs_the_pause(requests: Requests) -> None:
    """Those who wait for the end of a pause wait for the end of the next one too."""
    began = now()
    requests.throttle.slow_down(began, 5.0)
    requests.start("submit1", "submit2")
    await come_in()
    requests.throttle.slow_down(began, 20.0)
    await anyio.sleep_until(began + 21)

    assert requests.inside == ["submit1"]
    assert requests.starts[0] - began >= 20


async def test_a_pause_is_never_shortened(requests: Requests) -> None:
    """A shorter wish does not end a longer pause."""
    requests.throttle.slow_down(now(), 30.0)
    requests.throttle.slow_down(now(), 1.0)

    assert pause(requests.throttle) == pytest.approx(30, abs=0.1)
    requests.start("submit")


async def test_leaving_during_a_pause(requests: Requests) -> None:
    """Whoever is cancelled during a pause leaves; the pause ends for the others."""
    requests.throttle.slow_down(now(), 5.0)
    requests.start("submit1", "submit2")
    await come_in()
    await cancel(requests.tasks["submit1"])
    await anyio.sleep(6)

    assert requests.inside == ["submit2"]


async def test_patience_grows_with_each_round_trip() -> None:
    """Refusals of requests sent after the last one double the pause, give or take a quarter."""
    for refusals in range(1, 9):
        throttle = polite()
        for _ in range(refusals):
            throttle.slow_down(now(), None)

        doubled = 2.0 ** (refusals - 1)
        least, most = min(30, 0.75 * doubled), min(30, 1.25 * doubled)
        assert least - 0.1 < pause(throttle) < most + 0.1


async def test_one_burst_counts_once() -> None:
    """Refusals of requests that were under way at the last refusal do not add up."""
    throttle = polite()
    sent_at = now()
    await anyio.sleep(1)
    for _ in range(50):
        throttle.slow_down(sent_at, None)

    assert 0.65 < pause(throttle) <= 1.25


async def test_a_success_resets_the_patience() -> None:
    """After a request sent later went well, the next refusal is a first one again."""
    throttle = polite()
    for _ in range(5):
        throttle.slow_down(now(), None)
    await anyio.sleep(30)
    throttle.speed_up(now())
    throttle.slow_down(now(), None)

    assert 0.65 < pause(throttle) <= 1.25


async def test_an_old_success_says_nothing() -> None:
    """A request sent before the last refusal may go well without resetting the patience."""
    throttle = polite()
    sent_at = now()
    await anyio.sleep(1)
    throttle.slow_down(now(), None)
    throttle.slow_down(now(), None)
    await anyio.sleep(5)
    throttle.speed_up(sent_at)
    throttle.slow_down(now(), None)

    assert 2.9 < pause(throttle) <= 5


async def test_a_rate_spaces_the_starts(requests: Requests) -> None:
    """With a rate of two a second, starts of any kind are half a second apart."""
    requests.throttle = polite(16, rate=2.0)
    began = now()
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
    """A rate lets nobody in beyond the limit."""
    requests.throttle = polite(2, rate=10.0)
    requests.start("submit1", "submit2", "submit3")
    await anyio.sleep(5)

    assert requests.inside == ["submit1", "submit2"]


# --- The end --------------------------------------------------------------------------------


@pytest.mark.parametrize("paused", [True, False])
async def test_closing_sends_everybody_home(paused: bool) -> None:
    """All who wait get a `SessionClosedError`, each an object of its own."""
    throttle = polite()
    await throttle.acquire(throttle.submits)
    if paused:
        throttle.release(throttle.submits)
        throttle.slow_down(now(), 5.0)
    waiting = [
        asyncio.create_task(throttle.acquire(lane))
        for lane in (throttle.submits, throttle.polls, throttle.submits)
    ]
    await come_in()
    throttle.close("the session is closed")
    errors = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(error) for error in errors] == [SessionClosedError] * 3
    assert [str(error) for error in errors] == ["the session is closed"] * 3
    assert len({id(error) for error in errors}) == 3


@pytest.mark.parametrize("lane", ["submits", "polls"])
async def test_nobody_enters_after_the_end(lane: str) -> None:
    """After closing everybody is turned away at once, although slots are free."""
    throttle = polite(16)
    throttle.close("the session is closed")
    errors = []
    for _ in range(2):
        with pytest.raises(SessionClosedError, match="the session is closed") as caught:
            await throttle.acquire(getattr(throttle, lane))
        errors.append(caught.value)

    assert errors[0] is not errors[1]


async def test_slots_are_given_back_after_the_end() -> None:
    """Whoever is inside when the gate closes leaves as usual, cancelled waiters too."""
    throttle = polite()
    await throttle.acquire(throttle.submits)
    waiting = asyncio.create_task(throttle.acquire(throttle.polls))
    await come_in()
    waiting.cancel()
    throttle.close("the session is closed")
    with pytest.raises(asyncio.CancelledError):
        await waiting
    throttle.release(throttle.submits)

    assert throttle.submits.busy == throttle.polls.busy == 0


async def test_cancelled_while_being_sent_home() -> None:
    """Who is cancelled in the turn of the closing is cancelled, and holds no slot."""
    throttle = polite()
    await throttle.acquire(throttle.submits)
    waiting = asyncio.create_task(throttle.acquire(throttle.submits))
    await come_in()
    throttle.close("the session is closed")
    await cancel(waiting)

    assert throttle.submits.busy == 1


async def test_lanes_close_around_those_who_left() -> None:
    """A lane sends home only who is still there."""
    lane = Lane(1)
    loop = asyncio.get_running_loop()
    left, there = loop.create_future(), loop.create_future()
    lane.waiting.extend([(0.0, left), (0.0, there)])
    left.cancel()
    lane.close("closed")

    assert left.cancelled()
    assert isinstance(there.exception(), SessionClosedError)
    assert not lane.waiting
