"""Opening and closing: from any task, in any order, without a trace."""

import asyncio
import contextlib
import contextvars
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from pathlib import Path

import aiohttp
import anyio
import anyio.to_thread
import pytest
from aiohttp import web
from starlette.applications import Starlette

from tests.support.sessions import FOX, foxes, ids, open_session
from vidgo_async import (
    MediaFile,
    SessionClosedError,
    Task,
    VidgoError,
    VidgoSession,
)
from vidgo_async.sandbox import Sandbox, hang

Call = Callable[[VidgoSession], Awaitable[object]]

CALLS: dict[str, Call] = {
    "submit": lambda vidgo: vidgo.submit(FOX),
    "submit_many": lambda vidgo: vidgo.submit_many([FOX]),
    "generate": lambda vidgo: vidgo.generate(FOX),
    "get_task": lambda vidgo: vidgo.get_task("x"),
    "wait": lambda vidgo: vidgo.wait("x"),
    "as_completed": lambda vidgo: anext(aiter(vidgo.as_completed(["x"]))),
    "generate_many": lambda vidgo: anext(aiter(vidgo.generate_many([FOX]))),
    "download": lambda vidgo: vidgo.download(MediaFile("http://127.0.0.1/x"), "never.mp4"),
    "balance": lambda vidgo: vidgo.balance(),
}


def new_session() -> VidgoSession:
    """Make a session that never gets to a server."""
    return VidgoSession("a-key-for-tests", base_url="http://127.0.0.1:9")


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
    """A stream made in one loop and read in another is a clear error, and harms nobody."""
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
    """Several sessions do not care who closes first."""
    async with Sandbox() as sandbox:
        first, second = open_session(sandbox), open_session(sandbox)
        await first.__aenter__()
        await second.__aenter__()
        await first.submit(FOX)
        await first.aclose()
        await second.submit(FOX)
        await second.aclose()


@pytest.fixture
async def opened_by_a_fixture() -> AsyncIterator[VidgoSession]:
    """Open a session in a fixture."""
    async with new_session() as vidgo:
        yield vidgo


async def test_a_fixture_may_hold_a_session(opened_by_a_fixture: VidgoSession) -> None:
    """A session lives in a fixture as well."""
    with anyio.move_on_after(0.01):
        await opened_by_a_fixture.wait("x")


async def test_an_aiohttp_app_may_hold_a_session() -> None:
    """A session lives in an app's cleanup context, opened and closed by the server."""
    async with Sandbox() as sandbox:
        key = web.AppKey("vidgo", VidgoSession)

        @contextlib.asynccontextmanager
        async def lifespan(app: web.Application) -> AsyncIterator[None]:
            async with open_session(sandbox) as vidgo:
                app[key] = vidgo
                yield

        async def submit(request: web.Request) -> web.Response:
            return web.Response(text=(await request.app[key].submit(FOX)).task_id)

        app = web.Application()
        app.cleanup_ctx.append(lifespan)
        app.router.add_get("/", submit)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{site.port}/"
        async with aiohttp.ClientSession() as client, client.get(url) as response:
            assert await response.text() in sandbox.tasks
        await runner.cleanup()


async def test_a_starlette_app_may_hold_a_session() -> None:
    """A session lives in a Starlette lifespan; state goes to the requests."""
    async with Sandbox() as sandbox:

        @contextlib.asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[dict[str, VidgoSession]]:
            async with open_session(sandbox) as vidgo:
                yield {"vidgo": vidgo}

        app = Starlette(lifespan=lifespan)
        messages = anyio.create_memory_object_stream[dict[str, str]](2)
        sent: list[str] = []
        state: dict[str, VidgoSession] = {}

        async def send(message: MutableMapping[str, object]) -> None:
            sent.append(str(message["type"]))
            if message["type"] == "lifespan.startup.complete":
                assert (await state["vidgo"].submit(FOX)).task_id in sandbox.tasks
                await messages[0].send({"type": "lifespan.shutdown"})

        await messages[0].send({"type": "lifespan.startup"})
        scope = {"type": "lifespan", "app": app, "state": state}
        await asyncio.create_task(app(scope, messages[1].receive, send))
        assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        for stream in messages:
            stream.close()


@pytest.mark.virtual_time
async def test_closing_with_thousands_of_waiters() -> None:
    """Each of many waiters is told, at once."""
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
    """Closing inside a cancelled scope, or cancelled itself, leaves nothing behind."""
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


@pytest.mark.virtual_time
@pytest.mark.parametrize("delay", [0.0, 0.5, 1.0, 3.0, 6.0, 11.0])
@pytest.mark.parametrize("how", ["native", "anyio", "asyncio"])
@pytest.mark.parametrize("call", ["submit", "generate", "submit_many", "wait", "as_completed"])
async def test_cancellation_at_any_point_leaves_the_session_usable(
    call: str, how: str, delay: float
) -> None:
    """A cancelled call leaves at once; what was bought is accounted for; the session works."""
    async with Sandbox(seconds=(10, 10)) as sandbox, open_session(sandbox) as vidgo:
        known = await vidgo.submit(FOX)
        calls: dict[str, Call] = {
            **CALLS,
            "wait": lambda vidgo: vidgo.wait(known),
            "as_completed": lambda vidgo: anext(aiter(vidgo.as_completed([known]))),
        }

        got: list[Task] = []

        async def run() -> None:
            result = await calls[call](vidgo)
            got.extend(result if isinstance(result, list) else [result])  # type: ignore[list-item] # all give tasks

        if how == "native":
            running = asyncio.create_task(run())
            await anyio.sleep(delay)
            running.cancel()
            await asyncio.wait({running})
        elif how == "anyio":
            with anyio.move_on_after(delay):
                await run()
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await run()
        await anyio.sleep(20)
        assert {known.task_id, *ids(got), *ids(vidgo.unclaimed)} == set(sandbox.tasks)
        assert (await vidgo.generate(FOX)).finished


@pytest.mark.virtual_time
@pytest.mark.parametrize("how", ["anyio", "asyncio"])
async def test_a_timeout_inside_a_loop_body_leaves_the_rest(how: str) -> None:
    """A scope that ends inside the body of a loop harms neither the stream nor the session."""
    async with Sandbox(seconds=(5, 9)) as sandbox, open_session(sandbox) as vidgo:
        batch = vidgo.generate_many(foxes(6))
        came: list[int] = []
        with contextlib.suppress(TimeoutError):
            scope = anyio.fail_after(15) if how == "anyio" else contextlib.nullcontext()
            with scope:
                async with asyncio.timeout(None if how == "anyio" else 15):
                    async for outcome in batch:
                        came.append(outcome.index)
                        await anyio.sleep(6)
        assert came
        assert sorted([*came, *[outcome.index async for outcome in batch]]) == list(range(6))
        assert not vidgo.unclaimed


async def test_no_wait_lives_in_the_trace_of_the_first_caller() -> None:
    """Looks run in an empty context, not in that of whoever came first."""
    trace: contextvars.ContextVar[str] = contextvars.ContextVar("trace", default="nobody")
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
    assert set(seen[1:]) == {"nobody"}


async def test_an_idle_session_runs_nothing() -> None:
    """While nothing is due there is no task but the caller's."""
    async with Sandbox(seconds=(0.05, 0.05)) as sandbox, open_session(sandbox) as vidgo:
        before = len(asyncio.all_tasks())
        task = await vidgo.submit(FOX)
        async with vidgo.as_completed([task]):
            await asyncio.sleep(0)
            servers = 1  # the sandbox's own, for the connection
            assert len(asyncio.all_tasks()) <= before + servers


async def test_a_lent_connector_is_not_closed() -> None:
    """The connector stays its owner's; its limits must not be below ours."""
    async with Sandbox() as sandbox, aiohttp.TCPConnector(limit=16) as connector:
        async with open_session(sandbox, connector=connector) as vidgo:
            await vidgo.submit(FOX)
        assert not connector.closed
        with pytest.raises(ValueError, match="limit is 16, below max_concurrent_requests=17"):
            open_session(sandbox, connector=connector, max_concurrent_requests=17)
    with pytest.raises(TypeError, match="connector must be"):
        VidgoSession("a-key-for-tests", connector="pool")  # type: ignore[arg-type] # on purpose


async def test_downloads_leave_room_on_a_lent_connector(tmp_path: Path) -> None:
    """Downloads take no connection that API requests may need, but for one."""
    async with Sandbox(seconds=(0, 0)) as sandbox, aiohttp.TCPConnector(limit=4) as connector:
        async with open_session(sandbox, connector=connector, max_concurrent_requests=3) as vidgo:
            task = await vidgo.submit(FOX)
            file = (await vidgo.get_task(task.task_id)).files[0]
            sandbox.inject(hang, call="file", times=None)
            downloads = [
                asyncio.create_task(vidgo.download(file, tmp_path / str(number)))
                for number in range(4)
            ]
            await anyio.sleep(0.1)
            assert sandbox.received["file"] == 1
            await asyncio.gather(*(vidgo.balance() for _ in range(3)))
        for download in downloads:
            with pytest.raises(SessionClosedError):
                await download


async def test_a_connector_per_host_limit_counts_too() -> None:
    """All requests go to one host, so its limit per host must not be below ours either."""
    async with aiohttp.TCPConnector(limit=0, limit_per_host=4) as connector:
        with pytest.raises(ValueError, match="limit_per_host is 4"):
            VidgoSession("a-key-for-tests", connector=connector)


async def test_a_dropped_session_is_collected() -> None:
    """A closed session holds nothing that keeps it alive."""
    async with Sandbox(seconds=(0, 0)) as sandbox:
        async with open_session(sandbox) as vidgo:
            await vidgo.submit_many(foxes(2))
        reference = weakref.ref(vidgo)
        del vidgo
        gc.collect()
        assert reference() is None


def test_the_session_shows_its_state() -> None:
    """`repr` tells the address and the state, and no secret."""
    vidgo = new_session()
    assert repr(vidgo) == "<VidgoSession http://127.0.0.1:9, not open>"

    async def main() -> None:
        async with vidgo:
            assert repr(vidgo).endswith("open>")

    asyncio.run(main())
    assert repr(vidgo).endswith("closed>")
