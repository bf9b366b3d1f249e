"""A session held by a fixture, an aiohttp app and a Starlette app."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, MutableMapping

import aiohttp
import anyio
import pytest
from aiohttp import web
from starlette.applications import Starlette

from tests.support.servers import serving
from tests.support.sessions import FOX, new_session, open_session
from vidgo_async import VidgoSession
from vidgo_async.sandbox import Sandbox


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
        async with (
            serving(web.AppRunner(app)) as address,
            aiohttp.ClientSession() as client,
            client.get(f"http://{address}/") as response,
        ):
            assert await response.text() in sandbox.tasks


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
