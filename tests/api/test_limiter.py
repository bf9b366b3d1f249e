"""The limiter of API calls: how many at once, and in which order."""

import asyncio

import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.limiter import Requests, cancel, polite, refuse, run_loop
from vidgo_async import SessionClosedError

pytestmark = pytest.mark.virtual_time


# --- Slots ------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 16])
async def test_no_more_than_the_limit(requests: Requests, limit: int) -> None:
    """However many want to, no more than `limit` are inside, and in the end all were."""
    requests.limiter = polite(limit)
    names = [f"{kind}{i}" for i in range(limit) for kind in ("submit", "poll", "poll")]
    requests.start(*names)

    for name in names:
        await run_loop()
        assert len(requests.inside) <= limit
        requests.end(name)
    await asyncio.wait(requests.tasks.values())

    assert len(requests.starts) == len(names)


@pytest.mark.parametrize(
    ("limit", "polls"), [(1, 1), (2, 1), (3, 2), (4, 3), (5, 3), (16, 12), (100, 75)]
)
async def test_polls_take_three_quarters(requests: Requests, limit: int, polls: int) -> None:
    """Polls alone take three quarters of the slots, at least one; the rest is for submits."""
    requests.limiter = polite(limit)
    requests.start(*(f"poll{i}" for i in range(limit + 1)))
    await run_loop()
    assert len(requests.inside) == polls

    requests.start(*(f"submit{i}" for i in range(limit + 1)))
    await run_loop()
    assert len(requests.inside) == limit


async def test_submits_may_take_everything(requests: Requests) -> None:
    """Submits are not held to a share of the slots."""
    requests.limiter = polite(4)
    requests.start("poll", "s1", "s2", "s3", "s4")
    await run_loop()

    assert requests.inside == ["poll", "s1", "s2", "s3"]


# --- Order ------------------------------------------------------------------------------------


async def test_submits_have_priority(requests: Requests) -> None:
    """A free slot goes to a submit, even if a poll came earlier."""
    requests.start("first", "poll1", "poll2", "submit1", "submit2")
    order = []
    for _ in range(5):
        await run_loop()
        order += requests.inside
        requests.end(*requests.inside)

    assert order == ["first", "submit1", "submit2", "poll1", "poll2"]


@pytest.mark.parametrize("kind", ["submit", "poll"])
async def test_first_come_first_served(requests: Requests, kind: str) -> None:
    """Within one kind of request the order is that of arrival."""
    names = [f"{kind}{i}" for i in range(6)]
    requests.start(*names)
    order = []
    for _ in names:
        await run_loop()
        order += requests.inside
        requests.end(*requests.inside)

    assert order == names


async def test_polls_beyond_their_share_do_not_hold_up_submits(requests: Requests) -> None:
    """Polls beyond their share let a later submit take the free slot."""
    requests.limiter = polite(2)
    requests.start("poll1", "poll2", "submit")
    await run_loop()

    assert requests.inside == ["poll1", "submit"]


@pytest.mark.parametrize("kind", ["submit", "poll"])
async def test_a_cancelled_waiter_is_skipped(requests: Requests, kind: str) -> None:
    """A waiter that is cancelled is removed from the queue, and the next gets the slot."""
    requests.start("first", f"{kind}1", f"{kind}2")
    await run_loop()
    await cancel(requests.tasks[f"{kind}1"])
    requests.end("first")
    await run_loop()

    assert requests.inside == [f"{kind}2"]


async def test_a_slot_granted_to_a_cancelled_waiter_is_passed_on(requests: Requests) -> None:
    """A slot granted in the loop iteration of a cancellation goes to the next waiter."""
    limiter = requests.limiter
    held = await limiter.acquire(limiter.submits)
    requests.start("submit1", "submit2")
    await run_loop()
    held.release()  # grants it to the first, who does not run before ...
    await cancel(requests.tasks["submit1"])
    await run_loop()

    assert requests.inside == ["submit2"]
    assert len(requests.starts) == 1


STEPS = st.lists(
    st.tuples(st.sampled_from(["start", "end", "cancel", "iterate"]), st.integers(0, 9)),
    max_size=40,
)


@given(st.integers(1, 4), STEPS)
async def test_no_slot_is_ever_lost(limit: int, steps: list[tuple[str, int]]) -> None:
    """However requests start, end and are cancelled, all slots are released."""
    requests = Requests(polite(limit))
    share = requests.limiter.polls.max_in_flight
    for number, (step, choice) in enumerate(steps):
        names = list(requests.tasks)
        if step == "start":
            requests.start(f"{'ps'[choice % 2]}{number}")
        elif step == "iterate":
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
    await run_loop()
    assert requests.inside == fresh
    requests.end(*fresh)
    await run_loop()
    assert requests.limiter.submits.in_flight == requests.limiter.polls.in_flight == 0


# --- Closing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("paused", [True, False])
async def test_closing_wakes_all_waiters(paused: bool) -> None:
    """Each waiter gets a `SessionClosedError` object of its own."""
    limiter = polite()
    if paused:
        await refuse(limiter.submits, limiter, retry_after=5.0)
    held = await limiter.acquire(limiter.others)
    waiting = [
        asyncio.create_task(limiter.acquire(queue))
        for queue in (limiter.submits, limiter.polls, limiter.submits)
    ]
    await run_loop()
    limiter.close("the session is closed")
    errors = await asyncio.gather(*waiting, return_exceptions=True)
    held.release()

    assert [type(error) for error in errors] == [SessionClosedError] * 3
    assert [str(error) for error in errors] == ["the session is closed"] * 3
    assert len({id(error) for error in errors}) == 3


@pytest.mark.parametrize("queue", ["submits", "polls"])
async def test_no_slot_is_granted_after_closing(queue: str) -> None:
    """After closing each request is refused at once, although slots are free."""
    limiter = polite(16)
    limiter.close("the session is closed")
    errors = []
    for _ in range(2):
        with pytest.raises(SessionClosedError, match="the session is closed") as caught:
            await limiter.acquire(getattr(limiter, queue))
        errors.append(caught.value)

    assert errors[0] is not errors[1]


async def test_slots_are_released_after_closing() -> None:
    """Requests in flight when the limiter closes release their slots, cancelled waiters too."""
    limiter = polite()
    held = await limiter.acquire(limiter.submits)
    waiting = asyncio.create_task(limiter.acquire(limiter.polls))
    await run_loop()
    waiting.cancel()
    limiter.close("the session is closed")
    with pytest.raises(asyncio.CancelledError):
        await waiting
    held.release()

    assert limiter.submits.in_flight == limiter.polls.in_flight == 0


async def test_cancelled_while_closing() -> None:
    """A waiter cancelled in the loop iteration of the closing is cancelled, and holds no slot."""
    limiter = polite()
    held = await limiter.acquire(limiter.submits)
    waiting = asyncio.create_task(limiter.acquire(limiter.submits))
    await run_loop()
    limiter.close("the session is closed")
    await cancel(waiting)

    assert limiter.submits.in_flight == 1
    held.release()


async def test_closing_skips_cancelled_waiters() -> None:
    """Closing a queue wakes only the waiters that are still in it."""
    limiter = polite()
    held = await limiter.acquire(limiter.submits)
    left, there = (asyncio.create_task(limiter.acquire(limiter.submits)) for _ in range(2))
    await run_loop()
    left.cancel()
    limiter.close("closed")
    results = await asyncio.gather(left, there, return_exceptions=True)
    held.release()

    assert [type(result) for result in results] == [asyncio.CancelledError, SessionClosedError]
    assert not limiter.submits.waiting
