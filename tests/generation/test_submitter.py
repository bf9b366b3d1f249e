"""The paid POST: what is sent again, what never is, and who owns what it bought."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar

import anyio
import attrs
import pytest

from tests.support.sessions import FOX, after, deaf_server, foxes, ids, open_session
from vidgo_async import (
    APIError,
    AuthenticationError,
    GrokImagine,
    InsufficientCreditsError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RetryPolicy,
    SessionClosedError,
    SubmissionUnknownError,
    SubmitErrorGroup,
    Task,
    TaskFailedError,
    TaskTimeoutError,
    TransportError,
    TransportTimeoutError,
    TypedRequest,
    VidgoSession,
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

SAFE_503 = {"code": 503, "error": {"message": "busy", "type": "service_error"}}


# --- What is sent again ---------------------------------------------------------------------


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


# --- How patiently --------------------------------------------------------------------------


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
        assert 3 <= sandbox.received["submit"] <= 7
        assert sandbox.sold == 0


async def test_a_server_that_stays_down_is_given_up() -> None:
    """When nothing could be sent in time, the error says that nothing was bought."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo, sandbox.refusing():
        with pytest.raises(TransportError, match="nothing was bought") as caught:
            await vidgo.submit(FOX)
        assert not caught.value.sent
        assert isinstance(caught.value.__cause__, ConnectionRefusedError)


async def test_a_submit_that_never_gets_a_slot_is_given_up() -> None:
    """Waiting in the queue counts too: time that runs out there has bought nothing."""
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, max_concurrent_requests=1, retry=RetryPolicy(timeout=5)) as vidgo,
        anyio.create_task_group() as group,
    ):
        sandbox.inject(hang, times=None)
        group.start_soon(_swallow, vidgo.submit)
        await anyio.sleep(1)
        with pytest.raises(TransportTimeoutError, match="nothing was bought"):
            await vidgo.submit(FOX)
        assert sandbox.received["submit"] == 1


async def _swallow(submit: Callable[[GrokImagine], Awaitable[Task]]) -> None:
    with pytest.raises(SubmissionUnknownError):
        await submit(FOX)


# --- Who owns what it bought ----------------------------------------------------------------


async def test_a_caller_who_leaves_during_the_post_leaves_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Cancelled during the POST, the caller is free at once; the task goes to `unclaimed`."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(after(4))
        start = asyncio.get_running_loop().time()
        with anyio.move_on_after(1):
            await vidgo.submit(FOX)
        assert asyncio.get_running_loop().time() - start < 1.1
        assert not vidgo.unclaimed
        await anyio.sleep(5)
        (task,) = vidgo.unclaimed
        assert isinstance(task, Task)
        assert [task.task_id] == list(sandbox.tasks)
        assert any(
            task.task_id in record.message and record.levelname == "WARNING"
            for record in caplog.records
        )


async def test_an_unknown_outcome_behind_a_caller_is_unclaimed_too() -> None:
    """What may have been bought behind a cancelled caller is recorded as an error."""
    async with Sandbox() as sandbox, open_session(sandbox, request_timeout=5.0) as vidgo:
        sandbox.inject(hang_after)
        with anyio.move_on_after(1):
            await vidgo.submit(FOX)
        await anyio.sleep(5)
        (error,) = vidgo.unclaimed
        assert isinstance(error, SubmissionUnknownError)
        assert error.request is FOX
        assert sandbox.sold == 1


async def test_a_refusal_behind_a_caller_is_nothing_to_keep() -> None:
    """A POST that was refused after its caller left bought nothing."""
    async with Sandbox(credits=0) as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(after(2))
        with anyio.move_on_after(1):
            await vidgo.submit(FOX)
        await anyio.sleep(5)
        assert not vidgo.unclaimed


async def test_a_caller_who_leaves_before_the_post_buys_nothing() -> None:
    """Cancelled in the queue, or between two tries, a submit is never sent."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(answer(429, headers={"Retry-After": "9"}))
        with anyio.move_on_after(5):
            await vidgo.submit(FOX)
        async with sandbox.refusing():
            with anyio.move_on_after(6):
                await vidgo.submit(FOX)
        await anyio.sleep(60)
        assert sandbox.sold == 0
        assert not vidgo.unclaimed


async def test_a_caller_who_leaves_while_connecting_buys_nothing() -> None:
    """A POST without a connection yet is stopped with its caller."""
    with deaf_server() as url:
        async with VidgoSession("sandbox-key", base_url=url) as vidgo:
            with anyio.move_on_after(1):
                await vidgo.submit(FOX)
            with pytest.raises(TaskTimeoutError, match="nothing was bought"):
                await vidgo.generate(FOX, timeout=1)
            start = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - start < 1
        assert not vidgo.unclaimed


async def test_a_connection_that_never_comes_is_tried_again() -> None:
    """A connect timeout of its own tells that nothing was sent, so the submit goes on."""
    retry = RetryPolicy(timeout=40)
    with deaf_server() as url:
        async with VidgoSession("sandbox-key", base_url=url, retry=retry) as vidgo:
            start = asyncio.get_running_loop().time()
            with pytest.raises(TransportTimeoutError, match="nothing was bought") as caught:
                await vidgo.submit(FOX)
            assert not caught.value.sent
            assert 20 < asyncio.get_running_loop().time() - start < 51


async def test_closing_ends_a_submit_that_is_still_connecting() -> None:
    """A POST that got no connection within the grace has bought nothing."""
    with deaf_server() as url:
        async with VidgoSession("sandbox-key", base_url=url) as vidgo:
            submit = asyncio.create_task(vidgo.submit(FOX))
            await anyio.sleep(1)
        with pytest.raises(SessionClosedError, match="nothing was bought"):
            await submit


async def test_who_was_cancelled_before_the_call_buys_nothing() -> None:
    """A cancellation that came first wins, on fresh connections and on kept ones."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        for _ in range(2):
            with anyio.CancelScope() as scope:
                scope.cancel()
                await vidgo.submit(FOX)
            with anyio.move_on_after(0):
                await vidgo.generate(FOX)
            with anyio.move_on_after(0):
                await vidgo.submit_many(foxes(2))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await vidgo.submit(FOX)
            with pytest.raises(TaskTimeoutError, match="nothing was bought"):
                await vidgo.generate(FOX, timeout=0)
            await vidgo.balance()  # leaves a connection to keep
        await anyio.sleep(20)
        assert sandbox.received["submit"] == 0


@pytest.mark.parametrize("turns", range(8))
async def test_a_submit_cancelled_in_its_first_turns(turns: int) -> None:
    """In whatever turn of the loop the caller leaves, what was sold is accounted for."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        submit = asyncio.create_task(vidgo.submit(FOX))
        for _ in range(turns):
            await asyncio.sleep(0)
        submit.cancel()
        with pytest.raises(asyncio.CancelledError):
            await submit
        await anyio.sleep(10)
        assert ids(vidgo.unclaimed) == list(sandbox.tasks)
        await vidgo.submit(FOX)


async def test_when_all_tasks_are_cancelled_nothing_is_sent() -> None:
    """As at the end of `asyncio.run`: a POST that is cancelled before it began is nothing."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        machinery = vidgo._machinery
        assert machinery is not None
        submit = asyncio.create_task(vidgo.submit(FOX))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        (post,) = machinery.purchases._posts  # made, and not begun yet
        post.cancel()
        submit.cancel()
        with pytest.raises(asyncio.CancelledError):
            await submit
        await anyio.sleep(10)
        assert sandbox.received["submit"] == 0
        assert not vidgo.unclaimed


async def test_a_slot_that_comes_with_the_end_is_not_used() -> None:
    """A submit that gets its slot in the moment of closing is not sent."""
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, max_concurrent_requests=1) as vidgo,
    ):
        machinery = vidgo._machinery
        assert machinery is not None
        throttle = machinery.throttle
        await throttle.acquire(throttle.submits)
        submit = asyncio.create_task(vidgo.submit(FOX))
        await asyncio.sleep(0)  # it is in the queue now
        throttle.release(throttle.submits)
        machinery.purchases._closing.set()
        with pytest.raises(SessionClosedError, match="nothing was bought"):
            await submit
        assert sandbox.received["submit"] == 0


async def test_closing_waits_for_posts_under_way() -> None:
    """A POST that is answered within the grace is given to its caller."""
    async with Sandbox() as sandbox:
        vidgo = await open_session(sandbox).__aenter__()
        sandbox.inject(after(3))
        async with anyio.create_task_group() as group:
            bought = asyncio.create_task(vidgo.submit(FOX))
            await anyio.sleep(1)
            group.start_soon(vidgo.aclose)
        assert [(await bought).task_id] == list(sandbox.tasks)
        assert not vidgo.unclaimed


async def test_closing_records_what_takes_too_long() -> None:
    """After 5 seconds an open POST becomes an unknown outcome, for its caller or unclaimed."""
    async with Sandbox() as sandbox:
        vidgo = await open_session(sandbox).__aenter__()
        sandbox.inject(hang_after, times=2)
        stays = asyncio.create_task(vidgo.submit(FOX))
        leaves = asyncio.create_task(vidgo.submit(FOX))
        await anyio.sleep(1)
        leaves.cancel()
        start = asyncio.get_running_loop().time()
        await vidgo.aclose()
        assert 5 <= asyncio.get_running_loop().time() - start < 6
        with pytest.raises(SubmissionUnknownError):
            await stays
        assert [type(what) for what in vidgo.unclaimed] == [SubmissionUnknownError]


async def test_closing_ends_submits_that_were_not_sent() -> None:
    """Queued submits, and those between two tries, end at once and bought nothing."""
    async with Sandbox() as sandbox:
        vidgo = await open_session(sandbox, max_concurrent_requests=1).__aenter__()
        sandbox.inject(answer(503, SAFE_503), times=None)
        waiting = [asyncio.create_task(vidgo.submit(FOX)) for _ in range(3)]
        await anyio.sleep(0.5)
        start = asyncio.get_running_loop().time()
        await vidgo.aclose()
        assert asyncio.get_running_loop().time() - start < 1
        for submit in waiting:
            with pytest.raises(SessionClosedError):
                await submit
        assert sandbox.sold == 0


# --- submit_many ----------------------------------------------------------------------------


async def test_submit_many_keeps_the_order_of_the_requests() -> None:
    """The tasks come back in the order of their requests, each bought once."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(after(3))
        tasks = await vidgo.submit_many(foxes(40))
        prompts = [sandbox.tasks[task.task_id].input["prompt"] for task in tasks]
        assert prompts == [f"fox {number}" for number in range(40)]
        assert sandbox.sold == 40


async def test_submit_many_of_nothing_is_nothing() -> None:
    """An empty list buys nothing."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        assert await vidgo.submit_many([]) == []


async def test_submit_many_tells_both_halves() -> None:
    """On failures the group holds what was accepted and what failed, by index."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(answer(400, {"detail": "no"}), skip=2)
        sandbox.inject(reset_after, skip=4)
        with pytest.raises(SubmitErrorGroup) as caught:
            await vidgo.submit_many(foxes(10))
        group = caught.value
        assert len(group.accepted) == 8
        assert {type(error) for error in group.failed.values()} == {
            InvalidRequestError,
            SubmissionUnknownError,
        }
        assert sorted([*group.accepted, *group.failed]) == list(range(10))
        assert sandbox.sold == 9
        assert not vidgo.unclaimed


async def test_a_request_that_json_cannot_carry_is_one_failure() -> None:
    """A typed request of the user's own that cannot be sent does not stop its siblings."""

    @attrs.frozen
    class Broken(TypedRequest):
        model: ClassVar[str] = "broken"
        prompt: object = attrs.field(factory=object)

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        with pytest.raises(SubmitErrorGroup) as caught:
            await vidgo.submit_many([FOX, Broken(), FOX])
        assert list(caught.value.failed) == [1]
        assert isinstance(caught.value.failed[1].__cause__, TypeError)
        assert sandbox.sold == 2


async def test_submit_many_stops_when_the_account_does_not_pay() -> None:
    """After the first 402 nothing more is sent; each other request gets its own copy."""
    async with (
        Sandbox(credits=3) as sandbox,
        open_session(sandbox, max_concurrent_requests=2) as vidgo,
    ):
        with pytest.raises(SubmitErrorGroup) as caught:
            await vidgo.submit_many(foxes(100))
        assert len(caught.value.accepted) == 2
        errors = list(caught.value.failed.values())
        assert len({id(error) for error in errors}) == 98
        assert {type(error) for error in errors} == {InsufficientCreditsError}
        assert sandbox.received["submit"] <= 4


async def test_a_cancelled_submit_many_leaves_all_it_bought() -> None:
    """Cancelled, `submit_many` leaves what it had, and what its POSTs still buy."""
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, max_concurrent_requests=4) as vidgo,
    ):
        sandbox.inject(reset_after, skip=1)
        sandbox.inject(answer(400, {"detail": "no"}), skip=1)
        sandbox.inject(after(4), times=None, skip=8)
        with anyio.move_on_after(2):
            await vidgo.submit_many(foxes(20))
        await anyio.sleep(10)
        unknown = [what for what in vidgo.unclaimed if not isinstance(what, Task)]
        bought = [what.task_id for what in vidgo.unclaimed if isinstance(what, Task)]
        assert len(unknown) == 1
        assert len(bought) + 1 == sandbox.sold == sandbox.received["submit"] - 1


# --- generate -------------------------------------------------------------------------------


async def test_generate_buys_and_waits() -> None:
    """`generate` gives the finished task, and tells each state on the way."""
    seen: list[str] = []
    async with Sandbox(seconds=(30, 30)) as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.generate(FOX, on_update=lambda task: seen.append(task.status))
    assert task.finished
    assert task.model == "grok-imagine"
    assert task.submitted_at is not None
    assert task.files[0].task_id == task.task_id
    assert seen[0] == "not_started"
    assert seen[-1] == "finished"
    assert "running" in seen


async def test_generate_raises_for_a_failed_task() -> None:
    """A failed task is an error that carries it."""
    async with Sandbox(failure_rate=1) as sandbox, open_session(sandbox) as vidgo:
        with pytest.raises(TaskFailedError) as caught:
            await vidgo.generate(FOX)
        assert caught.value.task is not None
        assert caught.value.task.failed


async def test_the_deadline_of_generate_covers_the_submit() -> None:
    """A hung POST ends with the deadline; what it may buy is accounted for."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(after(8))
        start = asyncio.get_running_loop().time()
        with pytest.raises(TaskTimeoutError, match="unclaimed"):
            await vidgo.generate(FOX, timeout=3)
        assert 3 <= asyncio.get_running_loop().time() - start < 4
        await anyio.sleep(10)
        assert ids(vidgo.unclaimed) == list(sandbox.tasks)


async def test_the_deadline_of_generate_covers_the_waits_between_tries() -> None:
    """No `Retry-After` and no server that is down holds a caller beyond the deadline."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(answer(503, SAFE_503, {"Retry-After": "15"}))
        start = asyncio.get_running_loop().time()
        with pytest.raises(TaskTimeoutError, match="nothing was bought"):
            await vidgo.generate(FOX, timeout=1)
        assert asyncio.get_running_loop().time() - start < 1.5
        async with sandbox.refusing():
            start = asyncio.get_running_loop().time()
            with pytest.raises(TaskTimeoutError, match="nothing was bought"):
                await vidgo.generate(FOX, timeout=4)
            assert asyncio.get_running_loop().time() - start < 4.5
        await anyio.sleep(60)
        assert sandbox.sold == 0


async def test_the_deadline_of_generate_may_pass_before_the_post() -> None:
    """A deadline that passes in the queue has bought nothing, and the error says so."""
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, max_concurrent_requests=1) as vidgo,
        anyio.create_task_group() as group,
    ):
        sandbox.inject(after(8))
        group.start_soon(vidgo.submit, FOX)
        await anyio.sleep(1)
        with pytest.raises(TaskTimeoutError, match="nothing was bought"):
            await vidgo.generate(FOX, timeout=3)
    assert sandbox.sold == 1


async def test_a_cancelled_generate_leaves_its_task() -> None:
    """What a cancelled `generate` had bought is in `unclaimed`."""
    async with Sandbox(seconds=(50, 50)) as sandbox, open_session(sandbox) as vidgo:
        with anyio.move_on_after(20):
            await vidgo.generate(FOX)
        assert ids(vidgo.unclaimed) == list(sandbox.tasks)


async def test_the_deadline_of_generate_carries_the_task() -> None:
    """When the time is up after the submit, the error has the task, and nothing is unclaimed."""
    async with Sandbox(seconds=(99, 99)) as sandbox, open_session(sandbox) as vidgo:
        start = asyncio.get_running_loop().time()
        with pytest.raises(TaskTimeoutError) as caught:
            await vidgo.generate(FOX, timeout=20)
        assert 20 <= asyncio.get_running_loop().time() - start < 21
        assert caught.value.task_id in sandbox.tasks
        assert not vidgo.unclaimed


async def test_a_broken_callback_leaves_the_task() -> None:
    """An exception of `on_update` comes out unchanged, and the task is not lost."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        with pytest.raises(ZeroDivisionError):
            await vidgo.generate(FOX, on_update=lambda _: 1 / 0)
        assert ids(vidgo.unclaimed) == list(sandbox.tasks)


async def test_the_callback_url_is_sent() -> None:
    """The session's callback URL goes with each submit, unless the call names another."""
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, callback_url="https://a.example/1") as vidgo,
    ):
        await vidgo.submit(FOX)
        await vidgo.submit(FOX, callback_url="https://a.example/2")
        assert [task.callback_url for task in sandbox.tasks.values()] == [
            "https://a.example/1",
            "https://a.example/2",
        ]
