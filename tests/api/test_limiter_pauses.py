"""The limiter of API calls: pauses after a 429, and a maximal rate."""

import math
from itertools import pairwise

import anyio
import pytest

from tests.support.limiter import Requests, accept, cancel, polite, refuse, run_loop
from vidgo_async import RateLimitError
from vidgo_async._api.window import LENGTHS

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [(0.5, 0.5), (5.0, 5), (60.0, 60), (61.0, 60), (86_400.0, 60), (math.inf, 60)],
)
@pytest.mark.parametrize("kind", ["submit", "poll"])
async def test_a_429_pauses_its_kind(
    requests: Requests, kind: str, asked: float, seconds: float
) -> None:
    """None of its kind starts for as long as the server asked, at most 60 s; the others do."""
    limiter = requests.limiter = polite(4)
    began = anyio.current_time()
    await refuse(limiter.submits if kind == "submit" else limiter.polls, limiter, asked)
    requests.start("submit1", "poll1")
    await run_loop()
    other = "poll1" if kind == "submit" else "submit1"
    assert requests.inside == [other]

    await anyio.sleep_until(began + seconds + 0.1)
    assert requests.inside == [other, f"{kind}1"]
    assert requests.starts[1] - began >= seconds


async def test_the_pause_is_never_shortened(requests: Requests) -> None:
    """Of two 429s to requests that were in flight together, the longer wish counts."""
    limiter = requests.limiter = polite(4)
    began = anyio.current_time()
    first, second = [await limiter.acquire(limiter.submits) for _ in range(2)]
    for permit, wish in ((first, 1.0), (second, 30.0)):
        permit.refused(RateLimitError("too fast", 429, retry_after=wish))
        permit.release()
    requests.start("submit1")
    await anyio.sleep_until(began + 31)

    assert requests.starts[0] - began >= 30


async def test_a_waiter_cancelled_during_a_pause(requests: Requests) -> None:
    """A request cancelled during a pause is removed; the pause ends for the others."""
    await refuse(requests.limiter.submits, requests.limiter, 5.0)
    requests.start("submit1", "submit2")
    await run_loop()
    await cancel(requests.tasks["submit1"])
    await anyio.sleep(6)

    assert requests.inside == ["submit2"]


async def test_while_nothing_is_allowed_probes_become_rare() -> None:
    """They come at the times over which servers count: at most one in two minutes in the end."""
    limiter = polite(4)
    times: list[float] = []
    while not times or times[-1] < 4 * 3600:
        await refuse(limiter.others, limiter)
        times.append(anyio.current_time() - (times[0] if times else 0.0))
    waits = [round(time) for time in times[1:]]

    assert 0.75 <= times[1] <= 1.26
    probes = [length for length in LENGTHS if length > 1.3 * times[1]]
    assert waits[1:] == [*probes, *waits[1 + len(probes) :]]
    assert all(b - a >= 119 for a, b in pairwise(times[9:]))


async def test_one_burst_counts_once(requests: Requests) -> None:
    """429s to requests that were in flight at the last 429 do not add up."""
    limiter = requests.limiter = polite(50)
    permits = [await limiter.acquire(limiter.submits) for _ in range(50)]
    for permit in permits:
        permit.refused(RateLimitError("too fast", 429))
        permit.release()
    began = anyio.current_time()
    requests.start("submit1")
    await anyio.sleep(3)

    assert 0.65 < requests.starts[0] - began <= 1.26


async def test_a_success_ends_the_pauses(requests: Requests) -> None:
    """After a probe that was accepted, the next 429 counts as the first."""
    limiter = requests.limiter
    for _ in range(5):
        await refuse(limiter.submits, limiter)
    await accept(limiter.submits, limiter)
    await refuse(limiter.submits, limiter)
    began = anyio.current_time()
    requests.start("submit1")
    await anyio.sleep(3)

    assert requests.starts[0] - began <= 1.26


async def test_an_old_success_ends_nothing(requests: Requests) -> None:
    """The success of a request sent before the last 429 says nothing of it."""
    limiter = requests.limiter = polite(4)
    old = await limiter.acquire(limiter.submits)
    await refuse(limiter.submits, limiter, 1.0)
    await refuse(limiter.submits, limiter)  # after 1 s, and asked again at 2 s
    began = anyio.current_time()
    old.accepted(limiter.now())
    old.release()
    requests.start("submit1", "submit2")
    await anyio.sleep(0.5)
    assert requests.inside == []
    await anyio.sleep(4)

    assert requests.inside == ["submit1"]  # the probe
    assert requests.starts[0] - began == pytest.approx(1.0, abs=0.01)


async def test_a_hung_probe_does_not_hold_up_the_others(requests: Requests) -> None:
    """After five seconds one more goes; before that none."""
    limiter = requests.limiter = polite(4)
    await refuse(limiter.submits, limiter, 1.0)
    began = anyio.current_time()
    requests.start("submit1", "submit2", "submit3")
    await anyio.sleep(12)

    starts = [round(start - began) for start in requests.starts]
    assert starts == [1, 6, 11]


# --- The caller's caps ------------------------------------------------------------------------


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


async def test_submits_have_a_cap_of_their_own(requests: Requests) -> None:
    """With one submit a second, submits are a second apart and polls are not held up."""
    requests.limiter = polite(16, max_submits_per_second=1.0)
    began = anyio.current_time()
    requests.start("submit1", "submit2", "submit3", "poll1", "poll2")
    await anyio.sleep(5)

    starts = [start - began for start in requests.starts]
    assert starts == pytest.approx([0, 0, 0, 1, 2], abs=0.1)


async def test_a_cap_on_all_leaves_room_for_polls(requests: Requests) -> None:
    """A poll that waited takes turns with the submits."""
    requests.limiter = polite(16, rate=2.0)
    requests.start(*(f"submit{i}" for i in range(8)), *(f"poll{i}" for i in range(4)))
    await anyio.sleep(6)

    assert "".join(name[0] for name in requests.inside) == "spspspspssss"
