"""Prove which requests a fault applies to, and how often."""

from typing import Any

import pytest

from tests.support.raw_client import RawClient, running
from vidgo_async.sandbox import Call, Sandbox, answer, hang

pytestmark = pytest.mark.virtual_time


async def statuses(raw: RawClient, count: int) -> list[int]:
    return [(await raw.balance()).status for _ in range(count)]


async def test_times_and_skip() -> None:
    """A fault skips some requests, applies to some, and is used up."""
    async with running() as raw:
        raw.sandbox.inject(answer(500), call="balance", skip=1, times=2)
        assert await statuses(raw, 5) == [200, 500, 500, 200, 200]
        assert raw.sandbox.received["balance"] == 5


async def test_no_limit() -> None:
    """A fault without a limit applies to all requests."""
    async with running() as raw:
        raw.sandbox.inject(answer(500), call="balance", times=None)
        assert await statuses(raw, 10) == [500] * 10


async def test_one_call() -> None:
    """A fault for one call applies to no other, and one without a call to all."""
    async with running() as raw:
        raw.sandbox.inject(answer(500))
        assert await statuses(raw, 1) == [200]
        assert (await raw.submit()).status == 500
        raw.sandbox.inject(answer(502), call=None, times=2)
        assert await statuses(raw, 1) == [502]
        assert (await raw.call("GET", "/nowhere")).status == 502


@pytest.mark.parametrize("call", ["status", None])
async def test_one_task(call: str | None) -> None:
    """A fault for one task applies to no other, and `skip` counts that task's requests."""
    async with running() as raw:
        one, other = await raw.buy(), await raw.buy()
        raw.sandbox.inject(answer(500), call=call, task_id=one, skip=1)
        seen = [(await raw.status(each)).status for each in (other, one, other, one, one)]
        assert seen == [200, 200, 200, 500, 200]


@pytest.mark.parametrize(
    ("path", "task_id"), [("a%2Fb", "a/b"), ("a/b", "a/b"), ("a%252Fb", "a%2Fb"), ("%20", " ")]
)
async def test_task_is_known_by_its_decoded_id(path: str, task_id: str) -> None:
    """An id is percent-decoded once, slashes included."""
    async with running() as raw:
        raw.sandbox.inject(answer(200, {"found": 1}), call="status", task_id=task_id)
        assert (await raw.status(path)).json == {"found": 1}


async def test_order() -> None:
    """One fault applies to a request, the first injected first, and later ones do not count it."""
    async with running() as raw:
        raw.sandbox.inject(answer(500), call="balance", times=2)
        raw.sandbox.inject(answer(502), call="balance", skip=1)
        assert await statuses(raw, 5) == [500, 500, 200, 502, 200]


def applied(seed: int, **rule: Any) -> list[int]:
    """Return the indices of a thousand requests to which a fault applies."""
    sandbox = Sandbox(seed=seed)
    sandbox.inject(answer(500), call="balance", **rule)
    [only] = sandbox._faults.all
    return [index for index in range(1000) if only.applies_to(Call("balance"))]


def test_rate() -> None:
    """A rate applies to about that share without end, to the same requests for the same seed."""
    one = applied(1, rate=0.1)
    assert 70 <= len(one) <= 130
    assert max(one) >= 900
    assert applied(1, rate=0.1) == one
    assert applied(2, rate=0.1) != one


def test_rate_with_times_and_skip() -> None:
    """Skipped requests come before the draw, and `times` counts only the requests drawn."""
    first = applied(1, rate=0.1)
    assert applied(1, rate=0.1, times=3) == first[:3]
    assert applied(1, rate=0.1, times=3, skip=50) == [index + 50 for index in first[:3]]
    assert applied(1, rate=0.1, times=None) == first


def test_rate_of_none_and_all() -> None:
    """A rate of 0 applies to no request, and one of 1 to all."""
    assert applied(1, rate=0.0) == []
    assert applied(1, rate=1.0) == list(range(1000))


async def test_rates_are_independent() -> None:
    """A rate does not depend on other calls, and changes no task."""

    async def run(polls: int, rate: float) -> tuple[list[int], list[float]]:
        async with running(seed=3) as raw:
            raw.sandbox.inject(answer(500), call="status", rate=rate)
            raw.sandbox.inject(answer(500), call="balance", rate=0.5)
            for _ in range(polls):
                await raw.status(await raw.buy())
            seconds = [task.seconds for task in raw.sandbox.tasks.values()]
            return await statuses(raw, 20), seconds

    few, many, harsh = await run(1, 0.5), await run(5, 0.5), await run(5, 0.9)
    assert few[0] == many[0] == harsh[0]
    assert few[1] == many[1][:1]
    assert many[1] == harsh[1]


async def test_third_poll_of_a_task() -> None:
    """A fault can apply to a single poll of one task."""
    async with running() as raw:
        one, other = await raw.buy(), await raw.buy()
        raw.sandbox.inject(answer(500), call="status", task_id=one, skip=2)
        for task_id, seen in ((other, [200] * 4), (one, [200, 200, 500, 200])):
            assert [(await raw.status(task_id)).status for _ in range(4)] == seen


@pytest.mark.parametrize(
    ("settings", "about"),
    [
        ({"call": "sumbit"}, "one of submit, status, balance, file"),
        ({"times": 0}, "times"),
        ({"skip": -1}, "skip"),
        ({"rate": -0.1}, "rate"),
        ({"rate": 1.1}, "rate"),
        ({"task_id": "x"}, "task_id"),
        ({"call": "balance", "task_id": "x"}, "task_id"),
    ],
)
def test_bad_argument_is_refused(settings: dict[str, Any], about: str) -> None:
    """An argument out of its range is refused by name."""
    with pytest.raises(ValueError, match=about):
        Sandbox().inject(hang, **settings)
