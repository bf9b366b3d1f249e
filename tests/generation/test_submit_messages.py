"""What the errors of a submit tell: when, which model, where to look, and what may be meant."""

import asyncio
import json
import pickle
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.sessions import FOX, open_session
from vidgo_async import (
    GenerationRequest,
    PermissionDeniedError,
    RateLimitError,
    RetryPolicy,
    SubmissionUnknownError,
    TransportError,
)
from vidgo_async._generation.resend import HISTORY, classify, ended_before_answered
from vidgo_async.sandbox import (
    Fault,
    Sandbox,
    answer,
    changed,
    hang,
    hang_after,
    refusal,
    reset_after,
)

pytestmark = pytest.mark.virtual_time

SENT_AT = datetime(2026, 8, 1, 12, 0, 5, tzinfo=UTC)
REQUEST = GenerationRequest("kling-3.0/pro", {"prompt": "x"})


@pytest.mark.parametrize(
    "error",
    [
        classify(TransportError("no answer"), REQUEST, RetryPolicy(), SENT_AT),
        classify(ZeroDivisionError("x"), REQUEST, RetryPolicy(), SENT_AT),
        ended_before_answered(REQUEST, SENT_AT, closed=True),
    ],
)
def test_an_unknown_outcome_tells_how_to_find_it(error: SubmissionUnknownError) -> None:
    """The message has the time in UTC, the model, and the page of the console."""
    assert "2026-08-01 12:00:05 UTC" in str(error)
    assert "kling-3.0/pro" in str(error)
    assert HISTORY in str(error)
    assert error.sent_at == SENT_AT
    assert pickle.loads(pickle.dumps(error)).sent_at == SENT_AT


@pytest.mark.parametrize(
    "fault", [hang, hang_after, reset_after, answer(502, "<html>"), changed(task_id=None)]
)
async def test_the_time_is_that_of_the_post(fault: Fault) -> None:
    """The time is when the POST was sent, however late its outcome was given up."""
    async with Sandbox() as sandbox, open_session(sandbox, request_timeout=20.0) as vidgo:
        sandbox.inject(fault)
        before = datetime.now(UTC)
        with pytest.raises(SubmissionUnknownError) as caught:
            await vidgo.submit(FOX)
        assert caught.value.sent_at is not None
        assert before <= caught.value.sent_at <= before + timedelta(seconds=10)
        assert f"{caught.value.sent_at:%H:%M:%S} UTC" in str(caught.value)


async def test_closing_tells_the_time_too() -> None:
    """A submit that was open when its session closed says when it was sent."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(hang)
        buying = asyncio.create_task(vidgo.submit(FOX))
        await anyio.sleep(1)
        await vidgo.aclose()
        with pytest.raises(SubmissionUnknownError, match="UTC for the model grok-imagine"):
            await buying


async def test_a_429_that_lasts_says_what_it_may_mean() -> None:
    """A submit that is given up after many 429 names the key's hourly and daily limits."""
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, retry=RetryPolicy(timeout=10.0)) as vidgo,
    ):
        sandbox.inject(refusal(429), times=None)
        with pytest.raises(RateLimitError, match=r"nothing was bought; .*an hour.*a day"):
            await vidgo.submit(FOX)


async def test_a_403_says_what_it_may_mean() -> None:
    """A submit refused with 403 names the key's list of allowed addresses."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(refusal(403))
        with pytest.raises(PermissionDeniedError, match="list of allowed addresses"):
            await vidgo.submit(FOX)


async def test_a_refusal_with_an_id_is_watched_to_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A 429 that names a task is a purchase: it is not sent again, and the video is delivered."""

    async def sell_and_refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
        real = await handler(request)
        assert isinstance(real, web.Response)
        payload = {**json.loads(real.text or ""), "code": 429, "message": "slow down"}
        return web.json_response(payload, status=429)

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(sell_and_refuse, times=None)
        outcomes = [outcome async for outcome in vidgo.generate_many([FOX] * 3)]
        assert all(outcome.ok for outcome in outcomes)
        assert sandbox.received["submit"] == sandbox.sold == 3
    assert "HTTP 429 with a task_id answered a submit: taken as bought" in caplog.text
