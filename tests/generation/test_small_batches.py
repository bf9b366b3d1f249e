"""Batches at their limits: one place, slow sources, odd requests and callbacks."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.sessions import FOX, foxes, ids, open_session
from tests.support.uploads import PNG
from vidgo_async import (
    GrokImagine,
    Outcome,
    RetryPolicy,
    SessionClosedError,
    SubmissionUnknownError,
    SubmitErrorGroup,
    Task,
)
from vidgo_async.sandbox import Sandbox, answer

pytestmark = pytest.mark.virtual_time


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "fox.png"
    path.write_bytes(PNG)
    return path


@pytest.mark.parametrize("max_in_flight", [1, 2])
async def test_a_picture_in_the_last_request(max_in_flight: int, picture: Path) -> None:
    """A request that was uploaded after the last one was read finds its place."""
    requests = [*foxes(3), GrokImagine(prompt="alive", image_urls=[picture])]
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        with anyio.fail_after(600):
            batch = vidgo.generate_many(requests, max_in_flight=max_in_flight)
            outcomes = [outcome async for outcome in batch]
        assert all(outcome.error is None for outcome in outcomes)
        assert len(outcomes) == 4


async def test_a_picture_before_a_source_that_waits(picture: Path) -> None:
    """A request that was uploaded is sent while the source of the next one takes its time."""

    async def requests() -> AsyncIterator[GrokImagine]:
        yield GrokImagine(prompt="alive", image_urls=[picture])
        await anyio.sleep(3600)

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        start = anyio.current_time()
        async for outcome in vidgo.generate_many(requests(), max_in_flight=1):
            assert outcome.error is None
            break
        assert anyio.current_time() - start < 60


async def test_none_is_no_request() -> None:
    """`None` among the requests is an error of its own, and no end."""
    requests: list[Any] = [FOX, None, FOX]
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        batch = vidgo.generate_many(iter(requests))
        assert (await anext(batch)).error is None
        with pytest.raises(TypeError, match="NoneType"):
            await anext(batch)


class Queue:
    """An async iterable that is no generator."""

    def __init__(self, requests: list[GrokImagine]) -> None:
        self.requests = requests

    def __aiter__(self) -> "Queue":
        return self

    async def __anext__(self) -> GrokImagine:
        await anyio.sleep(1)
        if not self.requests:
            raise StopAsyncIteration
        return self.requests.pop()


async def test_an_async_iterable_that_is_no_generator() -> None:
    """Any async iterable is read to its end."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        outcomes = [outcome async for outcome in vidgo.generate_many(Queue(foxes(4)))]
        assert len(outcomes) == 4


class Outcry(BaseException):
    """What test frameworks raise to end a test: no `Exception`."""


@pytest.mark.parametrize("kind", [Outcry, asyncio.CancelledError, GeneratorExit])
async def test_a_callback_may_raise_anything(kind: type[BaseException]) -> None:
    """Whatever `on_update` raises ends the reading, and is raised after all outcomes."""

    def on_update(task: Task) -> None:
        raise kind

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        outcomes = []
        with anyio.fail_after(600), pytest.raises(kind):
            async for outcome in vidgo.generate_many(foxes(4), on_update=on_update):
                outcomes.append(outcome)
        assert len(outcomes) == sandbox.sold
        assert all(outcome.error is None for outcome in outcomes)


@pytest.mark.parametrize("kind", [Outcry, GeneratorExit])
async def test_a_source_may_raise_anything(kind: type[BaseException]) -> None:
    """Whatever the iterable raises is raised after all outcomes."""

    def requests() -> Iterator[GrokImagine]:
        yield FOX
        raise kind

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        outcomes = []
        with anyio.fail_after(600), pytest.raises(kind):
            async for outcome in vidgo.generate_many(requests()):
                outcomes.append(outcome)
        assert len(outcomes) == 1


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_is_not_kept(kind: type[BaseException]) -> None:
    """Ctrl-C and `sys.exit` in a callback or in a source end the program.

    Each is raised once: asyncio clears up after the first, and not after a second.
    """

    async def by_callback() -> None:
        async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
            async for _ in vidgo.generate_many(foxes(1), on_update=fail):
                pass

    async def by_source() -> None:
        async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
            async for _ in vidgo.generate_many(map(fail, foxes(1))):  # type: ignore[arg-type]
                pass

    def fail(_: object) -> None:
        raise kind

    for program in (by_callback, by_source):
        with pytest.raises(kind):
            asyncio.run(program())


def test_a_loop_that_goes_on_after_an_interrupt() -> None:
    """The request in whose callback Ctrl-C came is a failure that names its task."""

    def fail(_: object) -> None:
        raise KeyboardInterrupt

    async def consume() -> list[Outcome]:
        async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
            batch = vidgo.generate_many(foxes(1), on_update=fail)
            outcomes = [outcome async for outcome in batch]
            assert (batch.finished, batch.failed) == (0, 1)
            assert ids([outcome.task for outcome in outcomes if outcome.task]) == [*sandbox.tasks]
            return outcomes

    with asyncio.Runner() as runner:
        consumer = runner.get_loop().create_task(consume())
        with pytest.raises(KeyboardInterrupt):
            runner.run(asyncio.wait({consumer}))
        runner.run(asyncio.wait({consumer}))
        (failure,) = consumer.result()
        assert "KeyboardInterrupt" in str(failure.error)


@pytest.mark.parametrize("call", ["submit", "generate", "submit_many"])
async def test_closing_ends_what_waits_for_the_breaker(call: str) -> None:
    """Submits that wait since answers are lost end at once when the session is closed."""
    retry = RetryPolicy(unknown_limit=1)
    async with Sandbox() as sandbox:
        vidgo = await open_session(sandbox, retry=retry).__aenter__()
        sandbox.inject(answer(502), call="submit")
        with pytest.raises(SubmissionUnknownError):
            await vidgo.submit(FOX)
        calls = {
            "submit": lambda: vidgo.submit(FOX),
            "generate": lambda: vidgo.generate(FOX),
            "submit_many": lambda: vidgo.submit_many(foxes(3)),
        }
        waiting = asyncio.ensure_future(calls[call]())  # type: ignore[no-untyped-call]
        await anyio.sleep(1)
        start = anyio.current_time()
        await vidgo.aclose()
        assert anyio.current_time() - start < 1
        with pytest.raises((SessionClosedError, SubmitErrorGroup), match=r"nothing|not accepted"):
            await waiting
        assert sandbox.received["submit"] == 1


async def test_a_pause_costs_no_time() -> None:
    """The deadline of a task does not run while its batch has no consumer."""
    async with Sandbox(seconds=(40, 40)) as sandbox, open_session(sandbox) as vidgo:
        batch = vidgo.generate_many(foxes(2), timeout=60)
        with anyio.move_on_after(10):
            await anext(batch)
        await anyio.sleep(300)
        outcomes = [outcome async for outcome in batch]
        assert all(outcome.error is None for outcome in outcomes)


async def test_a_pause_while_a_submit_waits_for_its_permit() -> None:
    """A submit that gets its permit after the consumer left gives it back unused."""
    async with (
        Sandbox(seconds=(30, 30)) as sandbox,
        open_session(sandbox, max_concurrent_requests=1, max_requests_per_second=0.2) as vidgo,
    ):
        batch = vidgo.generate_many(foxes(4))
        with anyio.move_on_after(7):
            await anext(batch)
        sold = sandbox.sold
        await anyio.sleep(60)
        assert sandbox.sold == sold < 4
        assert len([outcome async for outcome in batch]) == 4


async def test_an_error_of_the_consumer_stops_the_buying_too() -> None:
    """A task that ended by an error of its own takes no outcome any more."""
    async with (
        Sandbox(seconds=(3, 9)) as sandbox,
        open_session(sandbox, max_requests_per_second=1.0) as vidgo,
    ):
        batch = vidgo.generate_many(foxes(40), max_in_flight=30)

        async def consume() -> None:
            async for _ in batch:
                raise ZeroDivisionError

        job = asyncio.create_task(consume())
        await asyncio.wait({job})
        await anyio.sleep(3)
        sold = sandbox.sold
        await anyio.sleep(100)
        assert sandbox.sold == sold < 40
        assert isinstance(job.exception(), ZeroDivisionError)


async def test_stop_async_iteration_is_no_end() -> None:
    """Raised by the requests or a callback, it would pass for the end of the batch."""

    def requests() -> Iterator[GrokImagine]:
        yield FOX
        raise StopAsyncIteration

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        outcomes = list[Outcome]()
        with pytest.raises(RuntimeError, match="raised StopAsyncIteration"):
            async for outcome in vidgo.generate_many(requests()):
                outcomes.append(outcome)
        assert [outcome.ok for outcome in outcomes] == [True]
