"""Requests that wait for an upload: slots, deadlines, cancellation, a stopped batch."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from tests.support.sessions import FOX, foxes, open_session
from tests.support.uploads import PNG, moving, pictures
from vidgo_async import (
    AuthenticationError,
    GrokImagine,
    InsufficientCreditsError,
    RetryPolicy,
    SessionClosedError,
    SubmitErrorGroup,
    TransportError,
    UploadedFile,
    VidgoError,
    VidgoSession,
)
from vidgo_async._files.uploads import SharedUpload
from vidgo_async.sandbox import Sandbox, answer, hang, hang_after, slow

pytestmark = pytest.mark.virtual_time

HOUR = 3600.0


# --- Waiting for an upload --------------------------------------------------------------------


@pytest.mark.parametrize("many", [True, False])
async def test_waiting_requests_hold_no_slot(tmp_path: Path, many: bool) -> None:
    """Ready requests are sold while others wait for their uploads, with a single slot too."""
    late = [moving(path) for path in pictures(tmp_path, 7)]
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, max_concurrent_requests=1) as vidgo,
    ):
        start = anyio.current_time()
        if many:
            batch = vidgo.generate_many([*late, FOX], max_in_flight=8)
            seen = {outcome.index: anyio.current_time() - start async for outcome in batch}
            assert seen[7] < 10
            assert max(seen.values()) > 60
        else:
            async with anyio.create_task_group() as group:
                group.start_soon(vidgo.submit_many, [*late, FOX])
                await anyio.sleep(10)
                assert FOX.input in [task.input for task in sandbox.tasks.values()]
                assert sandbox.sold < 8
        assert sandbox.sold == 8


async def test_waiting_requests_do_not_count_as_in_flight(tmp_path: Path) -> None:
    """Of requests that wait for uploads, up to `max_in_flight` more are read."""
    late = [moving(path) for path in pictures(tmp_path, 8)]
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        start = anyio.current_time()
        batch = vidgo.generate_many([*late, *foxes(9)], max_in_flight=2)
        seen = {}
        async for outcome in batch:
            assert outcome.ok
            seen[outcome.index] = anyio.current_time() - start
            assert batch.read <= len(seen) + 4
    # Five uploads a minute: two in the lobby wait, and the third stops the reading until then.
    assert max(seen[index] for index in range(5)) < 60 < min(seen[index] for index in range(5, 8))
    assert len(seen) == 17


async def test_ready_requests_pass_those_that_wait(tmp_path: Path) -> None:
    """A batch whose places would all be taken by waiting uploads goes on with the others."""
    late = [moving(path) for path in pictures(tmp_path, 7)]
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        start = anyio.current_time()
        batch = vidgo.generate_many([*late, *foxes(9)], max_in_flight=2)
        seen = {outcome.index: anyio.current_time() - start async for outcome in batch}
    assert max(seen[index] for index in range(7, 16)) < 60 < min(seen[5], seen[6])


async def test_no_deadline_runs_before_the_upload(fox: Path) -> None:
    """Neither `generate`'s timeout nor the retry policy's runs while the upload waits."""
    retry = RetryPolicy(timeout=5.0)
    async with Sandbox() as sandbox, open_session(sandbox, retry=retry) as vidgo:
        for _ in range(5):
            await vidgo.upload(PNG)
        start = anyio.current_time()
        assert (await vidgo.generate(moving(fox), timeout=20)).finished
        assert anyio.current_time() - start > 58


async def test_a_cancelled_caller_buys_nothing(fox: Path) -> None:
    """Cancelled while it waits for the upload, a submit buys nothing and leaves no task."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(hang, call="upload")
        with anyio.move_on_after(2):
            await vidgo.submit(moving(fox))
        assert sandbox.sold == sandbox.received["submit"] == 0
        await vidgo.submit(moving(fox))
        assert len(sandbox.uploads) == sandbox.sold == 1


async def test_a_cancelled_caller_does_not_end_a_shared_upload(fox: Path) -> None:
    """The upload goes on for the requests that still wait for it."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(slow(5), call="upload")
        async with anyio.create_task_group() as group:
            group.start_soon(vidgo.submit, moving(fox))
            with anyio.move_on_after(2):
                await vidgo.submit(moving(fox, prompt="another"))
        assert sandbox.received["upload"] == sandbox.sold == 1


async def test_closing_ends_the_wait(fox: Path) -> None:
    """Closing ends shared uploads; waiters get a `SessionClosedError`, and nothing is bought."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(hang_after, call="upload", times=None)
        waiting = [asyncio.create_task(vidgo.submit(moving(fox, prompt=str(i)))) for i in range(2)]
        await anyio.sleep(2)
        await vidgo.aclose()
        for each in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(each, SessionClosedError)
        assert sandbox.sold == 0


async def test_closing_before_an_upload_begins(fox: Path) -> None:
    """A session that is closed while a file is opened begins no upload."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        submit = asyncio.create_task(vidgo.submit(moving(fox)))
        await asyncio.sleep(0)
        await vidgo.aclose()
        with pytest.raises(SessionClosedError):
            await submit
        assert not sandbox.received


async def test_abandoning_a_batch_ends_its_uploads(tmp_path: Path) -> None:
    """An upload without waiters is cancelled."""
    requests = [FOX, *(moving(path) for path in pictures(tmp_path, 8))]
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        async with vidgo.generate_many(requests) as batch:
            async for _ in batch:
                break
        await anyio.sleep(200)
        assert len(sandbox.uploads) <= 5


# --- A batch that is stopped -----------------------------------------------------------------


async def many(vidgo: VidgoSession, requests: list[GrokImagine]) -> list[VidgoError | None]:
    return [outcome.error async for outcome in vidgo.generate_many(requests)]


async def bulk(vidgo: VidgoSession, requests: list[GrokImagine]) -> list[VidgoError | None]:
    with pytest.raises(SubmitErrorGroup) as caught:
        await vidgo.submit_many(requests)
    return list(caught.value.failed.values())


@pytest.mark.parametrize("buy", [many, bulk])
@pytest.mark.parametrize("call", ["submit", "upload"])
async def test_a_401_or_402_stops_the_uploads_too(
    tmp_path: Path,
    call: str,
    buy: Callable[[VidgoSession, list[GrokImagine]], Awaitable[list[VidgoError | None]]],
) -> None:
    """After a 401 or 402 no request waits for an upload: each yields that error."""
    requests = [moving(path) for path in pictures(tmp_path, 12)]
    kind = InsufficientCreditsError if call == "submit" else AuthenticationError
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(answer(402 if call == "submit" else 401), call=call, times=None)
        start = anyio.current_time()
        errors = await buy(vidgo, requests)
        assert [type(error) for error in errors] == [kind] * 12
        assert anyio.current_time() - start < 30
        assert sandbox.received["upload"] <= 5
        assert sandbox.sold == 0


async def test_a_failed_upload_is_of_no_use() -> None:
    """An upload that just failed or was stopped is not shared, even before it is forgotten."""

    async def fail() -> UploadedFile:
        raise TransportError("lost")

    failed, stopped = asyncio.create_task(fail()), asyncio.create_task(fail())
    stopped.cancel()
    await asyncio.wait({failed, stopped})
    assert all(
        SharedUpload("key", job, anyio.current_time() + HOUR).is_stale()
        for job in (failed, stopped)
    )
    assert failed.exception()
