"""A plain HTTP client, to see on the wire what the sandbox does."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

import aiohttp
import anyio
import attrs
from multidict import CIMultiDictProxy
from yarl import URL

from vidgo_async.sandbox import Sandbox


@attrs.frozen
class Reply:
    """One response, read to its end."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        """The data of a successful response."""
        assert self.json["code"] == 200
        return self.json["data"]


@attrs.frozen
class RawClient:
    """Plain HTTP to one sandbox."""

    http: aiohttp.ClientSession
    sandbox: Sandbox

    async def call(self, method: str, path: str, *, key: str | None = None, **more: Any) -> Reply:
        """Send one request with the sandbox's key, or another one, and read the response."""
        # Encoded, because what is sent is then exactly what a test wrote.
        url = URL(self.sandbox.url + path, encoded=True)
        headers = {"Authorization": f"Bearer {key or self.sandbox.api_key}"}
        async with self.http.request(method, url, headers=headers, **more) as response:
            return Reply(response.status, response.headers, await response.read())

    async def submit(self, model: str = "m", **fields: Any) -> Reply:
        """Buy a task."""
        return await self.call("POST", "/api/generate/submit", json={"model": model, **fields})

    async def buy(self, **wishes: Any) -> str:
        """Buy a task with this input and return its id."""
        task_id: str = (await self.submit(input=wishes)).data["task_id"]
        return task_id

    async def status(self, task_id: str) -> Reply:
        """Poll a task."""
        return await self.call("GET", f"/api/generate/status/{task_id}")

    async def balance(self) -> Reply:
        """Ask for the credits left."""
        return await self.call("GET", "/api/user/balance")

    async def ended(self, task_id: str) -> Any:
        """Poll a task until it ends, and return it."""
        while True:
            task = (await self.status(task_id)).data
            if task["status"] in {"finished", "failed"}:
                return task
            await anyio.sleep(0.01)

    async def file(self, url: str) -> Reply:
        """Fetch a file without any key."""
        async with self.http.get(url) as response:
            return Reply(response.status, response.headers, await response.read())


@contextlib.asynccontextmanager
async def running(**settings: Any) -> AsyncGenerator[RawClient]:
    """Run a sandbox with these settings, and a client of it."""
    settings = {"seconds": (0.01, 0.02), **settings}
    async with Sandbox(**settings) as sandbox, aiohttp.ClientSession() as http:
        yield RawClient(http, sandbox)


async def until(holds: Callable[[], object]) -> None:
    """Run loop iterations until a condition holds that no event announces."""
    while not holds():  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0)
