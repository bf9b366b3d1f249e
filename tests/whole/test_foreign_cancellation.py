"""Other code cancels tasks of the library, as an app does that cancels all of its event loop.

Every call ends, and what was bought is known: given to the caller, or unclaimed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
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
    SubmissionUnknownError,
    SubmitErrorGroup,
    Task,
    VidgoError,
    VidgoSession,
)
from vidgo_async.sandbox import Sandbox, slow

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
