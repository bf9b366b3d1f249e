"""Other code cancels tasks of the library, as an app does that cancels all of its event loop.

Every call ends, and what was bought is known: given to the caller, or unclaimed.
"""

import asyncio
import contextlib
import gc
import json
from collections.abc import AsyncIterable, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

import vidgo_async
from tests.support.sessions import FOX, foxes, ids, open_session
from tests.support.uploads import picture
from vidgo_async import (
    Failure,
    GrokImagine,
    Journal,
    Outcome,
    SubmissionUnknownError,
    SubmitErrorGroup,
    Task,
    VidgoError,
    VidgoSession,
)
from vidgo_async._files.outcome_log import OutcomeLog
from vidgo_async.journal.rows import Row
from vidgo_async.sandbox import Sandbox, reset_after, slow

pytestmark = pytest.mark.virtual_time

PACKAGE = Path(vidgo_async.__file__).parent
Got = list[Any]
"""What a call gave or raised: tasks, outcomes and errors."""


async def generate(vidgo: VidgoSession, got: Got, folder: Path) -> None:
    got.append(await vidgo.generate(FOX, download_to=folder))


async def submit_many(vidgo: VidgoSession, got: Got, _: Path) -> None:
    got += await vidgo.submit_many(foxes(8))


async def as_completed(vidgo: VidgoSession, got: Got, _: Path) -> None:
    got += await vidgo.submit_many(foxes(8))
    async for _task in vidgo.as_completed(list(got)):
        pass


async def batch(vidgo: VidgoSession, got: Got, _: Path) -> None:
    async for outcome in vidgo.generate_many(foxes(8), max_in_flight=3):
        got.append(outcome)


async def batch_with_files(vidgo: VidgoSession, got: Got, folder: Path) -> None:
    fox = picture(folder)
    requests = [GrokImagine(prompt=f"fox {number}", image_urls=[fox]) for number in range(6)]
    journal = folder / "foxes.vidgo"
    stream = vidgo.generate_many(requests, max_in_flight=3, download_to=folder, journal=journal)
    async for outcome in stream:
        got.append(outcome)


async def outcomes_of(batch: AsyncIterable[Outcome]) -> list[Outcome]:
    return [outcome async for outcome in batch]


def inner_tasks() -> list["asyncio.Task[Any]"]:
    """Return the tasks that run code of the library, oldest first; the sandbox is not a part of it."""
    running = sorted(asyncio.all_tasks(), key=lambda task: int(task.get_name().rpartition("-")[2]))
    return [
        task
        for task in running
        if (path := Path(task.get_coro().cr_code.co_filename)).is_relative_to(PACKAGE)  # type: ignore[union-attr] # all are coroutines
        and not path.is_relative_to(PACKAGE / "sandbox")
    ]


def purchases(what: Any) -> list[str | None]:
    """Return the ids of the tasks that a result or an error names; None where a task may exist."""
    match what:
        case SubmissionUnknownError():
            return [None]
        case SubmitErrorGroup():
            failed = (purchase for error in what.failed.values() for purchase in purchases(error))
            return [*ids(list(what.accepted.values())), *failed]
        case Task():
            return [what.task_id]
        case Failure(error=SubmissionUnknownError()):
            return [None]
        case _:
            return [] if what.task is None else [what.task.task_id]


@pytest.mark.parametrize("delay", [0.0, 0.5, 3.5, 12.5])
@pytest.mark.parametrize("which", ["all", "one"])
@pytest.mark.parametrize(
    "call",
    [generate, submit_many, as_completed, batch, batch_with_files],
    ids=lambda call: call.__name__,
)
async def test_at_any_moment(
    call: Callable[[VidgoSession, Got, Path], Awaitable[None]],
    which: str,
    delay: float,
    tmp_path: Path,
) -> None:
    """Whether one of them is cancelled or all."""
    got = Got()
    async with Sandbox(seconds=(10, 10)) as sandbox:
        sandbox.inject(slow(1), call=None, times=None)
        async with open_session(sandbox) as vidgo:

            async def run() -> None:
                try:
                    await call(vidgo, got, tmp_path)
                except VidgoError as error:
                    got.append(error)

            running = asyncio.create_task(run())
            await anyio.sleep(delay)
            inner = inner_tasks()
            for task in inner if which == "all" else inner[-1:]:
                task.cancel()
            await asyncio.wait({running}, timeout=600)
            assert running.done()
            assert not running.cancelled()
            running.result()
        known = [purchase for what in (*got, *vidgo.unclaimed) for purchase in purchases(what)]
        assert len(set(sandbox.tasks) - set(known)) <= known.count(None)
        assert inner_tasks() == []


async def test_a_poll() -> None:
    """All who wait are told, and nothing more is bought that could not be polled."""
    async with Sandbox(seconds=(10, 10)) as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(slow(1), call="status", times=None)
        task = await vidgo.submit(FOX)
        waiting = asyncio.create_task(vidgo.wait(task))
        outcome = asyncio.create_task(anext(aiter(vidgo.generate_many([FOX]))))
        while sandbox.received["status"] < 2:  # noqa: ASYNC110 - no event tells of it
            await anyio.sleep(0.1)
        (poll, *_) = (each for each in inner_tasks() if "Workers" in repr(each))
        poll.cancel()
        with pytest.raises(VidgoError, match="other code cancelled a poll") as caught:
            await waiting
        assert caught.value.task_id == task.task_id
        failure = await outcome
        assert failure.task is not None
        assert "other code cancelled a poll" in str(failure.error)
        with pytest.raises(VidgoError, match="other code cancelled a poll: nothing was bought"):
            await vidgo.submit(FOX)
        assert set(sandbox.tasks) == {task.task_id, failure.task.task_id}


async def test_a_request_before_its_first_step() -> None:
    """Its outcome says so, and the batch goes on."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:

        def cancel() -> None:
            inner_tasks()[-1].cancel()

        def requests() -> Iterator[GrokImagine]:
            for number, request in enumerate(foxes(3)):
                if number == 1:
                    asyncio.get_running_loop().call_soon(cancel)
                yield request

        outcomes = {each.index: each async for each in vidgo.generate_many(requests())}
        assert [outcomes[index].ok for index in range(3)] == [True, False, True]
        assert "other code cancelled this request" in str(outcomes[1].error)
        assert sandbox.sold == 2


async def test_while_an_outcome_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known of it stays: a video, or that a task may exist."""
    writing = list[Any]()

    async def add(*_: Any, **__: Any) -> None:
        writing.append(asyncio.current_task())
        await asyncio.sleep(1)

    monkeypatch.setattr(OutcomeLog, "add", add)
    async with Sandbox(seconds=(10, 10)) as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(reset_after)
        batch = vidgo.generate_many(foxes(2), download_to=tmp_path)
        running = asyncio.create_task(outcomes_of(batch))
        while not running.done():
            await anyio.sleep(0.1)
            while writing:
                writing.pop().cancel()
        unknown, success = sorted(running.result(), key=lambda outcome: outcome.ok)
        assert isinstance(unknown.error, SubmissionUnknownError)
        assert success.paths
        assert (batch.finished, batch.failed) == (1, 1)


async def test_a_cancelled_request_is_written_down(tmp_path: Path) -> None:
    """In the log of the folder, beside the others."""
    async with Sandbox(seconds=(10, 10)) as sandbox, open_session(sandbox) as vidgo:
        batch = vidgo.generate_many(foxes(2), download_to=tmp_path)
        running = asyncio.create_task(outcomes_of(batch))
        await anyio.sleep(5)
        (job, _) = (task for task in inner_tasks() if "Runner.run" in repr(task))
        job.cancel()
        await running
    lines = [json.loads(line) for line in (tmp_path / "outcomes.jsonl").read_text().splitlines()]
    assert {line["task_id"] for line in lines} == set(sandbox.tasks)
    assert sum("other code cancelled" in str(line) for line in lines) == 1


@pytest.mark.parametrize("iterations", [0, 1, 2, 3, 5, 8, 13])
async def test_while_a_session_closes(iterations: int, tmp_path: Path) -> None:
    """It is closed all the same, and so is the journal of its batch."""
    journal = tmp_path / "foxes.vidgo"
    async with Sandbox() as sandbox:
        sandbox.inject(slow(3), times=None)
        vidgo = await open_session(sandbox).__aenter__()
        running = asyncio.create_task(outcomes_of(vidgo.generate_many(foxes(3), journal=journal)))
        await anyio.sleep(1)
        closing = asyncio.create_task(vidgo.aclose())
        for _ in range(iterations):
            await asyncio.sleep(0)
        for task in inner_tasks():
            if task is not closing:
                task.cancel()
        await closing
        assert inner_tasks() == []
        with contextlib.suppress(VidgoError):
            await running
        assert len(vidgo.unclaimed) == 3
        async with Journal(journal) as entries:
            assert len(await entries.entries()) == 3


@pytest.mark.parametrize("iterations", [0, 1, 2, 3, 5])
async def test_while_a_dropped_batch_closes(iterations: int, tmp_path: Path) -> None:
    """Its journal may be opened again."""
    journal = tmp_path / "foxes.vidgo"

    async def take_one() -> None:
        async for _ in vidgo.generate_many(foxes(4), max_in_flight=2, journal=journal):
            return

    async with Sandbox(seconds=(1, 20)) as sandbox, open_session(sandbox) as vidgo:
        await asyncio.create_task(take_one())
        gc.collect()
        for _ in range(iterations):
            await asyncio.sleep(0)
        for task in inner_tasks():
            task.cancel()
        await anyio.sleep(60)
        outcomes = await outcomes_of(vidgo.generate_many(foxes(4), journal=journal))
        assert all(outcome.ok for outcome in outcomes)
        assert sandbox.sold == 4 + len([each for each in outcomes if each.task is None])


async def test_while_an_intent_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not sent is no unknown purchase: the next run sends it."""
    journal = tmp_path / "foxes.vidgo"
    real = Row._move

    def cancel_all() -> None:
        for task in inner_tasks():
            task.cancel()

    async def move(row: Row, state: str, before: str, **fields: str | None) -> None:
        if state == "sending":
            asyncio.get_running_loop().call_soon(cancel_all)
        await real(row, state, before, **fields)

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        monkeypatch.setattr(Row, "_move", move)
        with contextlib.suppress(VidgoError):
            await outcomes_of(vidgo.generate_many(foxes(3), journal=journal))
        monkeypatch.undo()
        assert sandbox.received["submit"] == 0
        outcomes = await outcomes_of(vidgo.generate_many(foxes(3), journal=journal))
        assert [outcome.error for outcome in outcomes] == [None] * 3


@pytest.mark.parametrize("name", ["Uploads.links", "Event.wait"])
async def test_what_a_submit_waits_for(name: str, fox: Path) -> None:
    """Its caller is told: it is not cancelled."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(slow(10), call="upload")
        request = GrokImagine(prompt="a fox", image_urls=[fox])
        submit = asyncio.create_task(vidgo.submit(request))
        await anyio.sleep(5)
        (needed,) = (task for task in asyncio.all_tasks() if name in repr(task.get_coro()))
        needed.cancel()
        with pytest.raises(VidgoError, match="other code cancelled the submit"):
            await submit
        assert sandbox.sold == 0
