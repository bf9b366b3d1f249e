"""Opening and closing a session: from any task, in any order, on one loop."""

import asyncio
import contextvars
import gc
import weakref
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from tests.support.calls import CALLS, Call
from tests.support.sessions import FOX, foxes, new_session, open_session
from vidgo_async import SessionClosedError, Task, VidgoError, VidgoSession
from vidgo_async.sandbox import Sandbox, hang

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_use_before_entry_is_a_clear_error(call: Call) -> None:
    """Before `async with` each call says how to open the session."""
    with pytest.raises(SessionClosedError, match="async with VidgoSession"):
        await call(new_session())


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_use_after_close_is_a_clear_error(call: Call) -> None:
    """After closing each call says so."""
    async with new_session() as vidgo:
        pass
    with pytest.raises(SessionClosedError, match="closed"):
        await call(vidgo)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_use_from_another_loop_is_a_clear_error(call: Call) -> None:
    """A session belongs to the loop that opened it, also seen from a thread."""
    async with new_session() as vidgo:

        async def elsewhere() -> None:
            with pytest.raises(SessionClosedError, match="another event loop"):
                await call(vidgo)

        await anyio.to_thread.run_sync(asyncio.run, elsewhere())


async def test_streams_belong_to_the_loop_too() -> None:
    """A stream made in one loop and read in another is a clear error, and harms neither."""
    async with new_session() as vidgo:
        streams: list[AsyncIterator[object]] = [
            vidgo.as_completed(["x"]),
            vidgo.generate_many([FOX]),
        ]

        async def elsewhere() -> None:
            for stream in streams:
                with pytest.raises(SessionClosedError, match="another event loop"):
                    await anext(stream)
            with pytest.raises(SessionClosedError, match="another event loop"):
                await vidgo.aclose()

        await anyio.to_thread.run_sync(asyncio.run, elsewhere())
        assert repr(vidgo).endswith(" open>")


async def test_use_without_a_loop_is_a_clear_error() -> None:
    """The calls that are no coroutines say so too where no loop runs."""
    async with new_session() as vidgo:

        def in_a_thread() -> None:
            with pytest.raises(SessionClosedError, match="another event loop"):
                vidgo.as_completed(["x"])

        await anyio.to_thread.run_sync(in_a_thread)


async def test_a_session_is_entered_once() -> None:
    """Neither an open session nor a closed one is entered again."""
    vidgo = new_session()
    async with vidgo:
        with pytest.raises(RuntimeError, match="share it"):
            await vidgo.__aenter__()
    with pytest.raises(SessionClosedError, match="new one"):
        await vidgo.__aenter__()


async def test_closing_is_idempotent() -> None:
    """`aclose` may be called before entry, twice, and from several tasks."""
    await new_session().aclose()
    async with new_session() as vidgo:
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(vidgo.aclose)
        await vidgo.aclose()


def test_closing_again_in_another_loop_is_nothing() -> None:
    """A session that is closed may be closed again anywhere, as by a fixture's late teardown."""

    async def use() -> VidgoSession:
        async with new_session() as vidgo:
            return vidgo

    asyncio.run(asyncio.run(use()).aclose())


async def test_open_and_close_in_different_tasks() -> None:
    """One task may open a session and another close it."""
    async with Sandbox(seconds=(0, 0.01)) as sandbox:
        vidgo = open_session(sandbox)
        await asyncio.create_task(vidgo.__aenter__())
        await asyncio.create_task(vidgo.submit(FOX))
        await asyncio.create_task(vidgo.aclose())


async def test_sessions_close_in_any_order() -> None:
    """Several sessions may be closed in any order."""
    async with Sandbox() as sandbox:
        first, second = open_session(sandbox), open_session(sandbox)
        await first.__aenter__()
        await second.__aenter__()
        await first.submit(FOX)
        await first.aclose()
        await second.submit(FOX)
        await second.aclose()


@pytest.mark.virtual_time
async def test_closing_with_thousands_of_waiters() -> None:
    """Each of many waiters gets its error at once."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        waiters = [asyncio.create_task(vidgo.wait(f"task {number}")) for number in range(3000)]
        await asyncio.sleep(0)
        await vidgo.aclose()
        results = await asyncio.gather(*waiters, return_exceptions=True)
        assert {type(result) for result in results} == {SessionClosedError}
        assert all(
            isinstance(result, VidgoError) and result.task_id == f"task {number}"
            for number, result in enumerate(results)
        )


@pytest.mark.virtual_time
async def test_a_cancelled_close_still_closes() -> None:
    """Closing inside a cancelled scope, or cancelled itself, leaves no task or socket."""
    async with Sandbox() as sandbox:
        with anyio.move_on_after(1):
            async with open_session(sandbox) as vidgo:
                sandbox.inject(hang)
                await vidgo.submit(FOX)
        assert len(vidgo.unclaimed) == 1
        vidgo = open_session(sandbox)
        await vidgo.__aenter__()
        sandbox.inject(hang)
        submit = asyncio.create_task(vidgo.submit(FOX))
        await anyio.sleep(1)
        closing = asyncio.create_task(vidgo.aclose())
        await anyio.sleep(1)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        with pytest.raises(VidgoError):
            await submit


async def test_polls_do_not_inherit_the_context_of_a_caller() -> None:
    """Polls run in an empty context, not in that of the first caller."""
    trace: contextvars.ContextVar[str] = contextvars.ContextVar("trace", default="none")
    seen: list[str] = []

    class Policy:
        def next_delay(self, task: Task, age: float | None) -> float:
            seen.append(trace.get())
            return 0.01

    async with (
        Sandbox(seconds=(0.1, 0.1)) as sandbox,
        open_session(sandbox, polling=Policy()) as vidgo,
    ):
        trace.set("first caller")
        task = await vidgo.submit(FOX)
        await vidgo.wait(task)
    assert seen[0] == "first caller"  # asked on behalf of the caller
    assert set(seen[1:]) == {"none"}


async def test_an_idle_session_runs_nothing() -> None:
    """While nothing is due there is no task but the caller's."""
    async with Sandbox(seconds=(0.05, 0.05)) as sandbox, open_session(sandbox) as vidgo:
        before = len(asyncio.all_tasks())
        task = await vidgo.submit(FOX)
        async with vidgo.as_completed([task]):
            await asyncio.sleep(0)
            servers = 1  # the sandbox's own, for the connection
            assert len(asyncio.all_tasks()) <= before + servers


async def test_a_dropped_session_is_collected() -> None:
    """A closed session holds nothing that keeps it alive."""
    async with Sandbox(seconds=(0, 0)) as sandbox:
        async with open_session(sandbox) as vidgo:
            await vidgo.submit_many(foxes(2))
        reference = weakref.ref(vidgo)
        del vidgo
        gc.collect()
        assert reference() is None


def test_the_repr_shows_the_state() -> None:
    """`repr` shows the address and the state, and no secret."""
    vidgo = new_session()
    assert repr(vidgo) == "<VidgoSession http://127.0.0.1:9, not open>"

    async def main() -> None:
        async with vidgo:
            assert repr(vidgo).endswith("open>")

    asyncio.run(main())
    assert repr(vidgo).endswith("closed>")
