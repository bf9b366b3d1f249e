"""The paid POST: what is sent again, what never is, and for how long."""

import asyncio
from collections.abc import Awaitable, Callable

import anyio
import pytest

from tests.support.faults import SAFE_503
from tests.support.sessions import FOX, open_session
from vidgo_async import (
    APIError,
    AuthenticationError,
    GrokImagine,
    InsufficientCreditsError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RetryPolicy,
    SubmissionUnknownError,
    Task,
    TransportError,
)
from vidgo_async.sandbox import (
    Fault,
    Sandbox,
    answer,
    cut_body,
    hang,
    hang_after,
    reset_after,
    reset_before,
)

pytestmark = pytest.mark.virtual_time


# --- What is sent again -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        answer(429, {"detail": "slow down"}, {"Retry-After": "2"}),
        answer(429, "<html>slow down</html>"),
        answer(200, {"code": 429, "error": {"message": "slow", "type": "rate_limit_error"}}),
        answer(429, b"not gzip", {"Content-Encoding": "gzip"}),
        answer(503, SAFE_503),
        answer(200, SAFE_503),
    ],
)
async def test_a_refusal_that_sold_nothing_is_sent_again(fault: Fault) -> None:
    """429 in any form, and the API's own 503, are sent again and buy exactly once."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(fault, times=3)
        task = await vidgo.submit(FOX)
        assert sandbox.received["submit"] == 4
        assert list(sandbox.tasks) == [task.task_id]
        assert not vidgo.unclaimed


async def test_a_refused_connection_is_tried_again() -> None:
    """Where no connection is made nothing can be bought: the submit waits for the server."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        async with anyio.create_task_group() as group, sandbox.refusing():
            group.start_soon(vidgo.submit, FOX)
            await anyio.sleep(10)
            assert sandbox.received["submit"] == 0
        assert sandbox.sold == sandbox.received["submit"] == 1


@pytest.mark.parametrize(
    ("fault", "sold", "status"),
    [
        (reset_before, 0, None),
        (reset_after, 1, None),
        (hang, 0, None),
        (hang_after, 1, None),
        (cut_body, 1, 200),
        (answer(408, {"code": 408, "error": {"message": "m", "type": "timeout_error"}}), 0, 408),
        (answer(500, {"detail": "oops"}), 0, 500),
        (answer(502, "<html>"), 0, 502),
        (answer(503, "<html>"), 0, 503),
        (answer(503, {"detail": "service_error"}), 0, 503),
        (answer(504), 0, 504),
        (answer(302, headers={"Location": "http://127.0.0.1:1/"}), 0, 302),
        (answer(304), 0, 304),
        (answer(200), 0, 200),
        (answer(200, "{"), 0, 200),
        (answer(200, [1]), 0, 200),
        (answer(200, {"code": 200}), 0, 200),
        (answer(200, {"code": 200, "data": {"task_id": 5}}), 0, 200),
        (answer(200, {"code": 200, "data": {"task_id": ""}}), 0, 200),
        (answer(200, {"code": 500, "message": "m"}), 0, 500),
        (answer(200, {"code": 408, "message": "m"}), 0, 408),
        (answer(204), 0, 204),
        (answer(200, b"x" * (9 * 1024 * 1024)), 0, 200),
        (answer(200, b"not gzip", {"Content-Encoding": "gzip"}), 0, 200),
        (answer(500, b"not gzip", {"Content-Encoding": "gzip"}), 0, 500),
    ],
)
async def test_an_unclear_outcome_is_never_sent_again(
    fault: Fault, sold: int, status: int | None
) -> None:
    """Whatever may have bought a task is one POST and one error that says so."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(fault)
        with pytest.raises(SubmissionUnknownError) as caught:
            await vidgo.submit(FOX)
        assert sandbox.received["submit"] == 1
        assert sandbox.sold == sold
        assert caught.value.request is FOX
        assert caught.value.status == status
        assert (caught.value.body is None) == (status is None)
        assert not vidgo.unclaimed


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequestError),
        (401, AuthenticationError),
        (402, InsufficientCreditsError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (405, APIError),
        (409, InvalidRequestError),
        (413, InvalidRequestError),
        (418, APIError),
        (422, InvalidRequestError),
    ],
)
@pytest.mark.parametrize("inside_200", [False, True])
async def test_any_other_4xx_is_a_refusal(
    status: int, kind: type[APIError], inside_200: bool
) -> None:
    """Other client errors are raised as what they are, after one POST."""
    body = {"code": status, "error": {"message": "no", "type": "t"}}
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(answer(200 if inside_200 else status, body))
        with pytest.raises(kind) as caught:
            await vidgo.submit(FOX)
        assert type(caught.value) is kind
        assert (caught.value.status, caught.value.code) == (status, status)
        assert sandbox.received["submit"] == 1


async def test_a_refusal_is_clear_without_its_body() -> None:
    """A 4xx whose body cannot be read is the refusal that its status says."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(answer(400, b"not gzip", {"Content-Encoding": "gzip"}))
        with pytest.raises(InvalidRequestError):
            await vidgo.submit(FOX)


async def test_resending_on_503_can_be_turned_off() -> None:
    """With `resend_on_503=False` even the API's own 503 is an unknown outcome."""
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, retry=RetryPolicy(resend_on_503=False)) as vidgo,
    ):
        sandbox.inject(answer(503, SAFE_503))
        with pytest.raises(SubmissionUnknownError):
            await vidgo.submit(FOX)
        assert sandbox.received["submit"] == 1


# --- For how long -----------------------------------------------------------------------------


async def _seconds(call: Callable[[], Awaitable[object]]) -> float:
    start = asyncio.get_running_loop().time()
    await call()
    return asyncio.get_running_loop().time() - start


@pytest.mark.parametrize(("asked", "low", "high"), [("7", 7, 8), ("100000", 60, 61)])
async def test_retry_after_is_honoured_up_to_its_cap(asked: str, low: float, high: float) -> None:
    """A submit waits as long as the server asks, a minute at most."""
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, retry=RetryPolicy(timeout=100)) as vidgo,
    ):
        sandbox.inject(answer(429, headers={"Retry-After": asked}))
        assert low <= await _seconds(lambda: vidgo.submit(FOX)) < high


@pytest.mark.parametrize("fault", [answer(503, SAFE_503), answer(429)])
async def test_the_retry_policy_bounds_a_submit(fault: Fault) -> None:
    """When the time is up the last refusal is raised, and says that nothing was bought."""
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, retry=RetryPolicy(timeout=20)) as vidgo,
    ):
        sandbox.inject(fault, times=None)
        start = asyncio.get_running_loop().time()
        with pytest.raises(APIError, match="nothing was bought"):
            await vidgo.submit(FOX)
        assert asyncio.get_running_loop().time() - start < 21
        # A 429 is probed after some 0.75 s, and then when it lasts 1, 2, 5, 10, 15 and 20 s.
        assert 3 <= sandbox.received["submit"] <= 8
        assert sandbox.sold == 0


async def test_a_server_that_stays_down_is_given_up() -> None:
    """When nothing could be sent in time, the error says that nothing was bought."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo, sandbox.refusing():
        with pytest.raises(TransportError, match="nothing was bought") as caught:
            await vidgo.submit(FOX)
        assert not caught.value.sent
        assert isinstance(caught.value.__cause__, ConnectionRefusedError)


async def test_to_wait_for_a_permit_costs_no_patience() -> None:
    """A submit is sent once the one before it is done, however long that took."""
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, max_concurrent_requests=1, retry=RetryPolicy(timeout=5)) as vidgo,
        anyio.create_task_group() as group,
    ):
        sandbox.inject(hang)
        group.start_soon(_swallow, vidgo.submit)
        await anyio.sleep(1)
        assert (await vidgo.submit(FOX)).task_id in sandbox.tasks


async def _swallow(submit: Callable[[GrokImagine], Awaitable[Task]]) -> None:
    with pytest.raises(SubmissionUnknownError):
        await submit(FOX)
