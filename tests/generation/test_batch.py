"""`generate_many`: exactly one outcome for each request."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping

import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.callbacks import hidden_async
from tests.support.sessions import FOX, foxes, open_session
from vidgo_async import (
    AuthenticationError,
    Batch,
    GenerationRequest,
    GrokImagine,
    InsufficientCreditsError,
    InvalidRequestError,
    Outcome,
    SessionClosedError,
    SubmissionUnknownError,
    Task,
    TaskFailedError,
    TaskTimeoutError,
    VidgoError,
)
from vidgo_async._polling.poller import Poller
from vidgo_async._polling.subscription import Subscription
from vidgo_async.sandbox import Sandbox, answer, hang, reset_after, slow

pytestmark = pytest.mark.virtual_time


class UnfinishedTasks:
    """A fault that counts the tasks that were sold and have no outcome yet."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.most = 0
        self.seen_end: set[str] = set()

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        self.most = max(self.most, self.sandbox.sold - len(self.seen_end))
        return response


async def test_two_hundred_requests_of_which_some_fail() -> None:
    """200 requests are 200 outcomes and 200 sales, with at most 32 in flight."""
    async with (
        Sandbox(seconds=(5, 20), failure_rate=0.1, seed=5) as sandbox,
        open_session(sandbox) as vidgo,
    ):
        unfinished = UnfinishedTasks(sandbox)
        sandbox.inject(unfinished, call="submit", times=None)
        batch = vidgo.generate_many(foxes(200), max_in_flight=32)
        outcomes: list[Outcome] = []
        async for outcome in batch:
            outcomes.append(outcome)
            assert outcome.task is not None
            unfinished.seen_end.add(outcome.task.task_id)
            assert len(batch.in_flight) <= 32
        assert sorted(outcome.index for outcome in outcomes) == list(range(200))
        assert {outcome.task.task_id for outcome in outcomes if outcome.task} == set(sandbox.tasks)
        assert sandbox.sold == 200
        assert 30 <= unfinished.most <= 32
        failed = [outcome for outcome in outcomes if not outcome.ok]
        assert 5 <= len(failed) <= 40
        for outcome in failed:
            assert isinstance(outcome.error, TaskFailedError)
            assert outcome.task is not None
            assert outcome.task.failed
        assert (batch.read, batch.submitted) == (200, 200)
        assert (batch.finished, batch.failed) == (200 - len(failed), len(failed))
        assert batch.in_flight == ()
        assert not vidgo.unclaimed


async def test_outcomes_come_in_order_of_completion() -> None:
    """The first to end is the first to come, and each outcome knows its request."""
    async with Sandbox(seconds=(5, 100), seed=2) as sandbox, open_session(sandbox) as vidgo:
        requests = foxes(12)
        outcomes = [outcome async for outcome in vidgo.generate_many(requests)]
        assert [outcome.index for outcome in outcomes] != list(range(12))
        for outcome in outcomes:
            assert outcome.request is requests[outcome.index]
            assert outcome.task is not None
            sold = sandbox.tasks[outcome.task.task_id]
            assert sold.input["prompt"] == f"fox {outcome.index}"


def plain() -> Iterator[GrokImagine]:
    """Yield three requests."""
    yield from foxes(3)


async def streamed() -> AsyncIterator[GrokImagine]:
    """Yield three requests, slowly."""
    for request in foxes(3):
        await anyio.sleep(1)
        yield request


@pytest.mark.parametrize("requests", [foxes(3), tuple(foxes(3)), plain, streamed])
async def test_any_iterable_will_do(requests: object) -> None:
    """Lists, generators and async generators are read alike."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        source = requests() if callable(requests) else requests
        outcomes = [outcome async for outcome in vidgo.generate_many(source)]  # type: ignore[arg-type] # parametrised
        assert sorted(outcome.index for outcome in outcomes) == [0, 1, 2]
        assert sandbox.sold == 3


async def test_an_empty_batch_ends_at_once() -> None:
    """No requests, no outcomes."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        assert [outcome async for outcome in vidgo.generate_many([])] == []


async def test_requests_are_read_only_as_slots_free_up() -> None:
    """A slot is held from the reading of a request until the consumer takes its outcome."""
    read: list[int] = []

    def endless() -> Iterator[GrokImagine]:
        while True:
            read.append(len(read))
            yield FOX

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        async with vidgo.generate_many(endless(), max_in_flight=3) as batch:
            for taken in range(1, 6):
                await anext(batch)
                await anyio.sleep(100)
                assert len(read) == batch.read == 3 + taken
                assert len(batch.in_flight) == 3
        assert len(vidgo.unclaimed) + 5 == sandbox.sold == 8


async def test_one_bad_request_neither_stops_nor_delays_its_siblings() -> None:
    """Refused, unknown, late and failed requests are outcomes beside the good ones."""
    async with Sandbox(seconds=(5, 5)) as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(answer(400, {"detail": "no"}))
        sandbox.inject(reset_after)
        sandbox.inject(hang, call="status", times=None, task_id=None, skip=10_000)
        start = asyncio.get_running_loop().time()
        outcomes = [outcome async for outcome in vidgo.generate_many(foxes(8))]
        assert asyncio.get_running_loop().time() - start < 9
        kinds = [type(outcome.error) for outcome in outcomes if outcome.error]
        assert set(kinds) == {InvalidRequestError, SubmissionUnknownError}
        assert sum(outcome.ok for outcome in outcomes) == 6
        assert all(outcome.task is None for outcome in outcomes if not outcome.ok)
        assert not vidgo.unclaimed


async def test_each_request_has_its_deadline_from_its_id_on() -> None:
    """A task that takes too long is an outcome with its last known state."""
    async with Sandbox(seconds=(100, 100)) as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(slow(8), skip=1)
        outcomes = [outcome async for outcome in vidgo.generate_many(foxes(2), timeout=30)]
        for outcome in outcomes:
            assert isinstance(outcome.error, TaskTimeoutError)
            assert outcome.task is not None
            assert outcome.task.status == "running"
            assert outcome.error.task_id == outcome.task.task_id
        assert sandbox.sold == 2
        assert not vidgo.unclaimed


@pytest.mark.parametrize(
    ("status", "kind"), [(401, AuthenticationError), (402, InsufficientCreditsError)]
)
async def test_a_batch_stops_sending_after_a_401_or_402(
    status: int, kind: type[VidgoError]
) -> None:
    """After the first 401 or 402 each remaining request yields its own copy of that error."""
    body = {"code": status, "error": {"message": "no", "type": "t"}}
    async with (
        Sandbox(seconds=(5, 5)) as sandbox,
        open_session(sandbox, max_concurrent_requests=2) as vidgo,
    ):
        sandbox.inject(answer(status, body), times=None, skip=3)
        outcomes = [o async for o in vidgo.generate_many(foxes(50), max_in_flight=8)]
        assert sum(outcome.ok for outcome in outcomes) == 3
        errors = [outcome.error for outcome in outcomes if outcome.error is not None]
        assert {type(error) for error in errors} == {kind}
        assert len({id(error) for error in errors}) == 47
        assert sandbox.received["submit"] <= 5
        assert sandbox.sold == 3


async def test_a_cancellation_inside_requests_is_their_error() -> None:
    """A stream that awaits a cancelled task ends the reading, not the consumer."""

    async def broken() -> AsyncIterator[GrokImagine]:
        yield FOX
        raise asyncio.CancelledError

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        came: list[Outcome] = []
        with pytest.raises(asyncio.CancelledError):
            await _collect(vidgo.generate_many(broken()), came)
        assert len(came) == sandbox.sold == 1


async def test_requests_may_close_the_session() -> None:
    """A stream of requests that closes the session does not wait for itself."""
    async with Sandbox() as sandbox:
        vidgo = open_session(sandbox)

        async def last_one() -> AsyncIterator[GrokImagine]:
            yield FOX
            await vidgo.aclose()

        async with vidgo:
            with pytest.raises(SessionClosedError):
                await _collect(vidgo.generate_many(last_one()), [])
        assert len(vidgo.unclaimed) == sandbox.sold


async def test_a_batch_of_a_closed_session_reads_nothing() -> None:
    """A batch that begins after closing does not read the caller's requests."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        requests = iter(foxes(5))
        batch = vidgo.generate_many(requests)
        await vidgo.aclose()
        with pytest.raises(SessionClosedError):
            await anext(batch)
        assert len(list(requests)) == 5


async def test_a_long_batch_starves_no_poll() -> None:
    """While hundreds of submits wait for a slot, finished tasks are noticed all the same."""
    async with (
        Sandbox(seconds=(5, 5)) as sandbox,
        open_session(sandbox, max_requests_per_second=2.0) as vidgo,
    ):
        batch = vidgo.generate_many(foxes(150), max_in_flight=150, timeout=600)
        outcomes = [outcome async for outcome in batch]
        assert len(outcomes) == 150
        assert all(outcome.ok for outcome in outcomes)
        start = asyncio.get_running_loop().time()
        first = await anext(vidgo.generate_many(foxes(150), max_in_flight=150))
        assert first.ok
        assert asyncio.get_running_loop().time() - start < 30


@pytest.mark.parametrize("kind", ["plain", "streamed", "not a request"])
async def test_requests_that_raise_stop_the_reading(kind: str) -> None:
    """All that was bought is yielded, then the very exception is raised."""
    failure = ZeroDivisionError()

    def broken() -> Iterator[GrokImagine]:
        yield from foxes(4)
        raise failure

    async def broken_stream() -> AsyncIterator[GrokImagine]:
        for request in broken():
            yield request

    def not_a_request() -> Iterator[object]:
        yield from foxes(4)
        yield "a fox"

    sources = {"plain": broken(), "streamed": broken_stream(), "not a request": not_a_request()}
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        batch = vidgo.generate_many(sources[kind])  # type: ignore[arg-type] # one is wrong on purpose
        came: list[Outcome] = []
        with pytest.raises((ZeroDivisionError, TypeError)) as caught:
            await _collect(batch, came)
        assert caught.value is failure or isinstance(caught.value, TypeError)
        assert len(came) == sandbox.sold == 4
        assert [outcome async for outcome in batch] == []
        assert not vidgo.unclaimed


async def _collect(batch: Batch, came: list[Outcome]) -> None:
    async for outcome in batch:
        came.append(outcome)


async def test_a_list_is_checked_before_anything_is_sent() -> None:
    """In a list, what is no request is refused before anything is bought."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        with pytest.raises(TypeError, match="expected a request"):
            vidgo.generate_many([FOX, "a fox"])  # type: ignore[list-item] # on purpose
        with pytest.raises(TypeError, match="expected a request"):
            await vidgo.submit_many([FOX, "a fox"])  # type: ignore[list-item] # on purpose
        with pytest.raises(TypeError, match="expected a list"):
            vidgo.generate_many(FOX)  # type: ignore[arg-type] # on purpose
        with pytest.raises(ValueError, match="max_in_flight"):
            vidgo.generate_many([FOX], max_in_flight=0)
        with pytest.raises(TypeError, match="on_update"):
            vidgo.generate_many([FOX], on_update=_async_callback)
        assert sandbox.received["submit"] == 0


async def _async_callback(task: Task) -> None:
    raise AssertionError(task)


async def test_updates_of_all_tasks_are_reported() -> None:
    """`on_update` gets each state of each task, and `in_flight` knows it already."""
    seen: list[tuple[str, str]] = []

    def note(task: Task) -> None:
        known = {one.task.task_id: one.task for one in batch.in_flight if one.task}
        assert known[task.task_id] == task
        seen.append((task.task_id, task.status))

    async with Sandbox(seconds=(20, 20)) as sandbox, open_session(sandbox) as vidgo:
        batch = vidgo.generate_many(foxes(4), on_update=note)
        assert len([outcome async for outcome in batch]) == 4
        for task_id in sandbox.tasks:
            states = [status for one, status in seen if one == task_id]
            assert states[0] == "not_started"
            assert states[-1] == "finished"


async def test_a_broken_callback_costs_no_video() -> None:
    """If `on_update` raises, reading stops, all that was bought comes, then it is raised."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        batch = vidgo.generate_many(foxes(50), max_in_flight=4, on_update=lambda _: 1 / 0)
        came: list[Outcome] = []
        with pytest.raises(ZeroDivisionError):
            await _collect(batch, came)
        assert len(came) == sandbox.sold <= 8
        assert all(outcome.ok for outcome in came)


async def test_an_async_callback_is_a_broken_one() -> None:
    """`on_update` that returns a coroutine ends a batch as one that raises does."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        batch = vidgo.generate_many(foxes(50), max_in_flight=4, on_update=hidden_async)
        came: list[Outcome] = []
        with pytest.raises(TypeError, match=r"on_update .* returned a coroutine"):
            await _collect(batch, came)
        assert len(came) == sandbox.sold <= 8
        assert all(outcome.ok for outcome in came)


async def test_a_bug_is_an_outcome_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong inside, the request's outcome comes, with its task."""
    watch = Poller.watch

    def with_a_bug(
        self: Poller, tasks: Mapping[str, Task | str], subscription: Subscription
    ) -> None:
        if any(isinstance(task, Task) and task.model == "broken" for task in tasks.values()):
            raise ZeroDivisionError
        watch(self, tasks, subscription)

    monkeypatch.setattr(Poller, "watch", with_a_bug)
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        requests: list[GenerationRequest | GrokImagine] = [
            FOX,
            GenerationRequest("broken", {"prompt": "x"}),
            FOX,
        ]
        outcomes = [outcome async for outcome in vidgo.generate_many(requests)]
        by_index = {outcome.index: outcome for outcome in outcomes}
        assert by_index[0].ok
        assert by_index[2].ok
        error = by_index[1].error
        assert error is not None
        assert isinstance(error.__cause__, ZeroDivisionError)
        assert error.task_id in sandbox.tasks
