"""Sessions and batches against servers with limits of every kind."""

import asyncio
import heapq
import statistics
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import anyio
import attrs
import pytest

from tests.support.limits import AtOnce, Bucket, FixedWindow, ServerLimit, SlidingWindow, limited
from tests.support.sessions import FOX, foxes
from vidgo_async import FixedPolling, Outcome, RateLimitError, RetryPolicy, Task, VidgoSession
from vidgo_async.sandbox import Sandbox, answer, slow

pytestmark = pytest.mark.virtual_time

RARE = FixedPolling(15.0)
OFTEN = FixedPolling(3.0)
FIRST_VOLLEY = 16
"""Submits in flight when a limit is met first."""


@attrs.define
class Scene:
    """A session, its server, and when that refused."""

    vidgo: VidgoSession
    sandbox: Sandbox
    limit: ServerLimit
    began: float
    refused: list[float] = attrs.field(factory=list[float])

    @property
    def submit_time(self) -> float:
        """Seconds until the last task was sold."""
        return max(task.sold_at for task in self.sandbox.tasks.values()) - self.began

    async def generate(self, count: int) -> list[Outcome]:
        """Generate that many videos, all at once as far as the server allows: none may fail."""
        batch = self.vidgo.generate_many(foxes(count), max_in_flight=count, timeout=None)
        outcomes = [outcome async for outcome in batch]
        assert [outcome.error for outcome in outcomes if outcome.error] == []
        return outcomes


@asynccontextmanager
async def scene(
    make: Callable[[Sandbox], ServerLimit],
    *,
    seconds: tuple[float, float] = (20, 40),
    **settings: object,
) -> AsyncIterator[Scene]:
    """Open a session to a server with a limit on submits."""
    options = {"polling": RARE, **settings}
    async with (
        # Idle connections are kept: the session's own give them up by real time only.
        Sandbox(seconds=seconds, credits=1e6, keepalive=1e6) as sandbox,
        VidgoSession(sandbox.api_key, base_url=sandbox.url, **options) as vidgo,  # type: ignore[arg-type]
    ):
        it = Scene(vidgo, sandbox, make(sandbox), anyio.current_time())
        refuse = limited(it.limit, lambda: it.refused.append(anyio.current_time() - it.began))
        sandbox.inject(refuse, times=None)
        yield it


def lateness(scene: Scene, ends: list[tuple[Task, float]]) -> float:
    """Return how late ends were noticed, in seconds, on average."""
    return statistics.mean(at - scene.sandbox.tasks[task.task_id].ends_at for task, at in ends)


# --- Too many in a window ---------------------------------------------------------------------


@pytest.mark.parametrize("make", [FixedWindow, SlidingWindow])
async def test_a_window_is_found_and_used(make: Callable[[int, float], ServerLimit]) -> None:
    """Of 20 new tasks in 10 s nearly all are used, few are refused, and polls do not pay."""
    async with scene(lambda _: make(20, 10.0), polling=OFTEN) as it:
        ends = list[tuple[Task, float]]()
        batch = it.vidgo.generate_many(foxes(60), max_in_flight=60)
        async for outcome in batch:
            assert outcome.task is not None
            ends.append((outcome.task, anyio.current_time()))
        assert len(ends) == 60
        assert it.submit_time < 1.35 * 20
        assert len(it.refused) <= FIRST_VOLLEY + 6
        assert lateness(it, ends) < 2.2  # 1.8 where there is no limit


@pytest.mark.parametrize("phase", [0.0, 3.0, 9.0])
async def test_a_window_that_began_before_is_found(phase: float) -> None:
    """The first stretch of a fixed window may be short, which shows in what is refused later."""
    async with scene(lambda _: FixedWindow(20, 10.0, phase)) as it:
        await it.generate(120)
        assert it.submit_time < 1.35 * 50
        assert len(it.refused) <= 2 * FIRST_VOLLEY + 8


async def test_sixty_a_minute() -> None:
    """A minute's window is found by asking at the times over which servers count."""
    async with scene(lambda _: FixedWindow(60, 60.0)) as it:
        await it.generate(150)
        assert it.submit_time < 1.15 * 120
        # Seven probes by time, and some after ends of tasks, ever more of which are waited for.
        assert len(it.refused) <= FIRST_VOLLEY + 7 + 7


async def test_a_limit_of_an_hour_is_waited_for() -> None:
    """With the patience for it all finish, and the server is asked ever more rarely."""
    retry = RetryPolicy(timeout=7200.0)
    async with scene(lambda _: FixedWindow(100, 3600.0), retry=retry) as it:
        await it.generate(120)
        late = [at for at in it.refused if at > 120]
        assert late
        assert all(b - a >= 119 for a, b in pairwise(late))


@pytest.mark.parametrize(("factor", "within"), [(0.5, 1.4 * 190), (2, 1.25 * 70), (1000, 85)])
async def test_a_window_that_changes(factor: float, within: float) -> None:
    """A limit that is halved, doubled or lifted is found out while a batch goes on."""
    async with scene(lambda _: FixedWindow(20, 10.0)) as it:
        limit = it.limit
        assert isinstance(limit, FixedWindow)
        asyncio.get_running_loop().call_later(
            30, setattr, limit, "number", int(factor * limit.number)
        )
        await it.generate(240)
        assert it.submit_time < within  # best possible: 190, 70 and 30 s; unchanged 110


# --- Too many at once -------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "count"), [(2, 20), (20, 60)])
async def test_so_many_tasks_at_once(number: int, count: int) -> None:
    """Submits wait for the end of a task; nearly no time is lost and none fails."""
    async with scene(lambda sandbox: AtOnce(sandbox, number), polling=OFTEN) as it:
        await it.generate(count)
        places = [0.0] * number
        for task in it.sandbox.tasks.values():
            heapq.heapreplace(places, places[0] + task.seconds)
        assert anyio.current_time() - it.began < 1.15 * max(places)
        assert len(it.refused) <= 2 * count


@pytest.mark.parametrize("factor", [0.5, 2, 1000])
async def test_a_number_at_once_that_changes(factor: float) -> None:
    """That it was halved, doubled or lifted is found out while a batch goes on."""
    async with scene(lambda sandbox: AtOnce(sandbox, 20), polling=OFTEN) as it:
        limit = it.limit
        assert isinstance(limit, AtOnce)
        asyncio.get_running_loop().call_later(
            40, setattr, limit, "number", int(factor * limit.number)
        )
        await it.generate(80)
        assert len(it.refused) <= 2 * 80


async def test_patience_does_not_run_while_a_sibling_does() -> None:
    """A 429 ends no request of a batch while one of its tasks runs."""
    retry = RetryPolicy(timeout=30.0)
    async with scene(lambda sandbox: AtOnce(sandbox, 1), seconds=(400, 400), retry=retry) as it:
        await it.generate(3)


async def test_tasks_that_nobody_waits_for_count_as_running() -> None:
    """`submit_many` waits for the server's places without a poll of its own."""
    retry = RetryPolicy(timeout=30.0)
    async with scene(lambda sandbox: AtOnce(sandbox, 2), seconds=(90, 90), retry=retry) as it:
        assert len(await it.vidgo.submit_many(foxes(6))) == 6
        assert it.sandbox.received["status"] == 0


# --- One 429, and many ------------------------------------------------------------------------


async def test_a_429_that_came_late_costs_its_pause() -> None:
    """A gateway that answers 429 after 25 s says nothing of how fast to send."""
    async with scene(lambda _: Bucket(1e6)) as it:
        it.sandbox._faults.all.clear()
        refuse = answer(429)

        async def late(request: object, handler: object) -> object:
            await asyncio.sleep(25)
            return await refuse(request, handler)  # type: ignore[arg-type]

        it.sandbox.inject(late, call="submit")  # type: ignore[arg-type]
        await it.vidgo.submit(FOX)
        began = anyio.current_time()
        assert len(await asyncio.gather(*map(it.vidgo.submit, foxes(20)))) == 20
        assert anyio.current_time() - began < 5


@pytest.mark.parametrize("call", ["submit", "status"])
async def test_random_429s_make_no_session_crawl(call: str) -> None:
    """Of 5 % refusals that follow no limit each costs a pause, and no rate is concluded."""
    async with scene(lambda _: Bucket(1e6)) as it:
        it.sandbox._faults.all.clear()
        it.sandbox.inject(answer(429), call=call, rate=0.05)
        it.sandbox.inject(slow(0.1), call=call, times=None)
        await it.generate(100)
        assert anyio.current_time() - it.began < 90


# --- Patience ---------------------------------------------------------------------------------


async def test_a_limit_that_lasts_ends_in_an_error() -> None:
    """It repeats the server's words, and says how long was waited."""
    retry = RetryPolicy(timeout=60.0)
    async with scene(lambda _: FixedWindow(0, 10.0), retry=retry) as it:
        with pytest.raises(RateLimitError, match=r"refused for 60 s.*nothing was bought") as caught:
            await it.vidgo.submit(FOX)
        assert caught.value.message.startswith("Too Many Requests")
        assert 59 < anyio.current_time() - it.began < 62
        assert not it.vidgo.unclaimed


async def test_the_callers_own_cap_costs_no_patience() -> None:
    """What waits for a cap was refused by nobody."""
    retry = RetryPolicy(timeout=30.0)
    async with scene(lambda _: Bucket(1e6), retry=retry, max_requests_per_second=0.05) as it:
        assert len(await it.vidgo.submit_many(foxes(24))) == 24
        assert anyio.current_time() - it.began >= 23 * 20


async def test_submits_have_a_cap_of_their_own() -> None:
    """With half a submit a second, polls go as they are due."""
    async with scene(lambda _: Bucket(1e6), polling=OFTEN, max_submits_per_second=0.5) as it:
        ends = list[tuple[Task, float]]()
        async for outcome in it.vidgo.generate_many(foxes(20), max_in_flight=20):
            assert outcome.task is not None
            ends.append((outcome.task, anyio.current_time()))
        sold = [task.sold_at for task in it.sandbox.tasks.values()]
        assert all(b - a > 1.9 for a, b in pairwise(sold))
        assert lateness(it, ends) < 2.2
