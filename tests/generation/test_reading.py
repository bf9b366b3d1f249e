"""How a batch reads its requests, and lets go of the iterator that they come from."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import anyio
import pytest

from tests.support.sessions import FOX, foxes, open_session
from vidgo_async import GrokImagine, SessionClosedError, VidgoSession
from vidgo_async.sandbox import Sandbox, hang

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


async def close_directly(vidgo: VidgoSession) -> None:
    await vidgo.aclose()


async def close_with_wait_for(vidgo: VidgoSession) -> None:
    await asyncio.wait_for(vidgo.aclose(), 30)


async def close_in_a_group(vidgo: VidgoSession) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(vidgo.aclose)


async def close_shielded(vidgo: VidgoSession) -> None:
    await asyncio.shield(vidgo.aclose())


@pytest.mark.parametrize(
    "close", [close_directly, close_with_wait_for, close_in_a_group, close_shielded]
)
async def test_requests_may_close_the_session(
    close: Callable[[VidgoSession], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> None:
    """Closing does not wait for ever for an iterator of requests that waits for the closing."""
    async with Sandbox() as sandbox:
        vidgo = await open_session(sandbox).__aenter__()

        async def requests() -> AsyncIterator[GrokImagine]:
            yield FOX
            await close(vidgo)

        start = now()
        with pytest.raises(SessionClosedError):
            async for _ in vidgo.generate_many(requests()):
                pass
        await vidgo.aclose()
        assert now() - start < 10
    left = [line for line in caplog.messages if "iterator of requests did not end" in line]
    assert len(left) <= 1


async def test_an_iterator_that_does_not_end_is_left(caplog: pytest.LogCaptureFixture) -> None:
    """Where the iterator ignores its cancellation, closing goes on without it and says so."""
    release = asyncio.Event()
    reading: list[asyncio.Task[None] | None] = []

    async def requests() -> AsyncIterator[GrokImagine]:
        reading.append(asyncio.current_task())
        yield FOX
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        start = now()
        async with vidgo.generate_many(requests()) as batch:
            async for _ in batch:
                break
        assert now() - start < 10
        (reader,) = reading
        assert reader is not None
        assert not reader.done()
        release.set()
        await asyncio.wait({reader})
    assert [record.levelname for record in caplog.records if "iterator" in record.message] == [
        "WARNING"
    ]


@pytest.mark.parametrize("how", ["block", "break", "end", "close"])
async def test_an_async_generator_is_closed_by_its_reader(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A scope in the generator is left in the task that entered it, however the batch ends."""
    caplog.set_level(logging.ERROR)
    tasks: list[asyncio.Task[None] | None] = []

    async def requests() -> AsyncIterator[GrokImagine]:
        with anyio.move_on_after(600):
            try:
                for request in foxes(3 if how == "end" else 100):
                    yield request  # noqa: ASYNC119 - what the test is about
            finally:
                tasks.append(asyncio.current_task())

    async with Sandbox() as sandbox:
        vidgo = await open_session(sandbox).__aenter__()
        if how == "block":
            async with vidgo.generate_many(requests(), max_in_flight=2) as batch:
                async for _ in batch:
                    break
        else:
            async for _ in vidgo.generate_many(requests(), max_in_flight=2):
                if how != "end":
                    break
        if how == "break":
            await anyio.sleep(1)
            assert len(tasks) == 1
        await vidgo.aclose()
        assert len(tasks) == 1
        assert tasks[0] is not asyncio.current_task()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("kind", ["plain", "async"])
async def test_each_request_is_sent_before_the_next_is_read(kind: str) -> None:
    """An iterator that never lets the loop turn holds up nothing that it gave before."""
    arrived: list[int] = []

    def plain() -> Iterator[GrokImagine]:
        for request in foxes(12):
            arrived.append(sandbox.received["submit"])
            yield request

    async def without_a_pause() -> AsyncIterator[GrokImagine]:
        for request in plain():
            yield request

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        requests = plain() if kind == "plain" else without_a_pause()
        outcomes = [outcome async for outcome in vidgo.generate_many(requests)]
        assert all(outcome.ok for outcome in outcomes)
    # What is written is on its way, and arrives an iteration or two of the loop later.
    assert all(count >= number - 1 for number, count in enumerate(arrived))


async def test_reading_goes_on_where_nothing_can_be_sent() -> None:
    """A request that waits for a permit, or for a retry, does not hold up the reading."""
    read: list[float] = []

    def requests() -> Iterator[GrokImagine]:
        for request in foxes(6):
            read.append(now())
            yield request

    async with Sandbox() as sandbox, open_session(sandbox, max_concurrent_requests=1) as vidgo:
        sandbox.inject(hang, times=1)
        async with vidgo.generate_many(requests()):
            await anyio.sleep(3)
        assert len(read) == 6
        assert read[-1] - read[0] < 1
