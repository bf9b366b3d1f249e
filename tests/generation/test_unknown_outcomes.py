"""Several unknown outcomes in a row: a session does not go on buying into the dark."""

import asyncio
from collections import Counter

import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.faults import SAFE_503, RequestTimes
from tests.support.sessions import FOX, foxes, open_session
from vidgo_async import (
    NotSentError,
    RetryPolicy,
    SubmissionUnknownError,
    SubmitErrorGroup,
    Task,
    TaskTimeoutError,
    VidgoError,
)
from vidgo_async.sandbox import Fault, Sandbox, after, answer, hang, reset_after

pytestmark = pytest.mark.virtual_time

_bad_gateway = answer(502)

LOST: dict[str, Fault] = {
    "502 before the sale": answer(502, "<h1>Bad Gateway</h1>"),
    "504 after the sale": after(answer(504, "<h1>Gateway Timeout</h1>")),
    "a redirect": answer(308, headers={"Location": "http://127.0.0.1:1/"}),
    "a reset after the sale": reset_after,
    "a page": after(answer(200, "<html>")),
}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
async def test_a_batch_stops_when_every_answer_is_lost(fault: Fault) -> None:
    """Of a hundred requests a few are unknown, two are trials, and the rest was not sent."""
    async with Sandbox() as sandbox, open_session(sandbox, max_concurrent_requests=4) as vidgo:
        sandbox.inject(fault, call="submit", times=None)
        start = anyio.current_time()
        outcomes = [outcome async for outcome in vidgo.generate_many(foxes(100))]
        assert 60 < anyio.current_time() - start < 80
        kinds = Counter(type(outcome.error) for outcome in outcomes)
        assert set(kinds) == {SubmissionUnknownError, NotSentError}
        assert kinds.total() == 100
        # Those that were in flight when it opened, and two trials.
        assert 5 + 2 <= kinds[SubmissionUnknownError] <= 5 + 3 + 2
        assert sandbox.received["submit"] == kinds[SubmissionUnknownError]
        assert sandbox.sold <= kinds[SubmissionUnknownError]
        error = next(o.error for o in outcomes if isinstance(o.error, NotSentError))
        assert "nothing was bought" in str(error)
        assert error.task_id is None


async def test_submit_many_stops_too() -> None:
    """The group tells what is unknown from what was not sent."""
    async with Sandbox() as sandbox, open_session(sandbox, max_concurrent_requests=4) as vidgo:
        sandbox.inject(reset_after, call="submit", times=None)
        with pytest.raises(SubmitErrorGroup) as caught:
            await vidgo.submit_many(foxes(50))
        kinds = Counter(type(error) for error in caught.value.failed.values())
        assert kinds[SubmissionUnknownError] == sandbox.sold <= 10
        assert kinds[NotSentError] == 50 - sandbox.sold


async def test_one_that_is_accepted_closes_it() -> None:
    """A trial that succeeds lets the rest of the batch go on as if nothing had been."""
    times = RequestTimes()
    async with Sandbox() as sandbox, open_session(sandbox, max_concurrent_requests=1) as vidgo:
        sandbox.inject(times, call="submit", times=None, skip=5)
        sandbox.inject(answer(502), call="submit", times=5)
        outcomes = [outcome async for outcome in vidgo.generate_many(foxes(30))]
        assert sum(outcome.ok for outcome in outcomes) == 25
        assert sandbox.sold == 25
        assert times.gaps[0] < 1


async def test_a_trial_waits_for_its_pause() -> None:
    """After the limit one submit is sent 30 seconds later, and no other before it is answered."""
    times = RequestTimes()

    async def answer_502(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await times(request, lambda asked: _bad_gateway(asked, handler))

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(answer_502, call="submit", times=None)
        for _ in range(5):
            with pytest.raises(SubmissionUnknownError):
                await vidgo.submit(FOX)
        results = await asyncio.gather(
            *(vidgo.submit(FOX) for _ in range(4)), return_exceptions=True
        )
        assert [round(gap) for gap in times.gaps] == [0, 0, 0, 0, 30, 30]
        assert Counter(map(type, results)) == {SubmissionUnknownError: 2, NotSentError: 2}
        # Until the next pause is over, nothing is sent at all; then one may try again.
        with pytest.raises(NotSentError):
            await vidgo.submit(FOX)
        await anyio.sleep(31)
        with pytest.raises(SubmissionUnknownError):
            await vidgo.submit(FOX)
        with pytest.raises(NotSentError):
            await vidgo.submit(FOX)
        assert len(times.times) == 8


@pytest.mark.parametrize("fault", [answer(400), answer(429), answer(503, SAFE_503)])
async def test_clear_refusals_do_not_open_it(fault: Fault) -> None:
    """Only unknown outcomes count: a server that says no is a server that can be understood."""
    async with Sandbox() as sandbox, open_session(sandbox, max_concurrent_requests=1) as vidgo:
        sandbox.inject(fault, call="submit", times=8)
        outcomes = [outcome async for outcome in vidgo.generate_many(foxes(12))]
        assert not any(isinstance(outcome.error, NotSentError) for outcome in outcomes)


async def test_old_submits_without_an_answer_do_not_open_it() -> None:
    """What was sent before a submit that was accepted says nothing of the way as it is now."""
    async with Sandbox() as sandbox, open_session(sandbox, request_timeout=20.0) as vidgo:
        sandbox.inject(hang, call="submit", times=8)
        hung = [asyncio.create_task(vidgo.submit(fox)) for fox in foxes(8)]
        await anyio.sleep(1)
        await vidgo.submit(FOX)
        results = await asyncio.gather(*hung, return_exceptions=True)
        assert {type(result) for result in results} == {SubmissionUnknownError}
        start = anyio.current_time()
        await vidgo.submit(FOX)
        assert anyio.current_time() - start < 1


async def test_it_can_be_switched_off() -> None:
    """With `unknown_limit=None` every request is sent, whatever became of the others."""
    retry = RetryPolicy(unknown_limit=None)
    async with Sandbox() as sandbox, open_session(sandbox, retry=retry) as vidgo:
        sandbox.inject(reset_after, call="submit", times=None)
        outcomes = [outcome async for outcome in vidgo.generate_many(foxes(30))]
        assert all(isinstance(outcome.error, SubmissionUnknownError) for outcome in outcomes)
        assert sandbox.sold == 30


async def test_the_limit_and_the_pause_are_settings() -> None:
    """`unknown_limit` and `unknown_pause` of the retry policy say when, and for how long."""
    retry = RetryPolicy(unknown_limit=2, unknown_pause=5.0)
    async with Sandbox() as sandbox, open_session(sandbox, retry=retry) as vidgo:
        sandbox.inject(answer(502), call="submit", times=2)
        for _ in range(2):
            with pytest.raises(SubmissionUnknownError):
                await vidgo.submit(FOX)
        start = anyio.current_time()
        assert isinstance(await vidgo.submit(FOX), Task)
        assert 5 <= anyio.current_time() - start < 6


async def test_waiting_for_it_ends_with_the_deadline() -> None:
    """A deadline that passes while nothing is sent says that nothing was bought."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(answer(502), call="submit", times=5)
        for _ in range(5):
            with pytest.raises(SubmissionUnknownError):
                await vidgo.submit(FOX)
        with pytest.raises(TaskTimeoutError, match="nothing was bought"):
            await vidgo.generate(FOX, timeout=10)
        cancelled = asyncio.create_task(vidgo.submit(FOX))
        await anyio.sleep(0.1)
        cancelled.cancel()
        await asyncio.wait({cancelled})
        assert (await vidgo.generate(FOX)).finished  # a trial that was given up harms no other
        assert sandbox.sold == 1


async def test_nothing_is_bought_that_cannot_be_polled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the poller ended with a bug, the session buys no more."""
    from vidgo_async._polling.poller import Poller  # noqa: PLC0415 - what is broken here

    def with_a_bug(*_: object) -> None:
        raise ZeroDivisionError

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        monkeypatch.setattr(Poller, "_succeeded", with_a_bug)
        with pytest.raises(VidgoError):
            await vidgo.generate(FOX)
        sold = sandbox.sold
        with pytest.raises(VidgoError, match=r"bug.*nothing was bought"):
            await vidgo.generate(FOX)
        outcomes = [outcome async for outcome in vidgo.generate_many(foxes(20))]
        assert all("nothing was bought" in str(outcome.error) for outcome in outcomes)
        assert sandbox.sold == sold == 1
