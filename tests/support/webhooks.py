"""Receivers that are served, and bodies of callbacks."""

import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Any

from aiohttp import web

from tests.support.servers import serving
from tests.support.sessions import open_session
from vidgo_async import OnUnknown, VidgoSession, WebhookReceiver
from vidgo_async.sandbox import Sandbox

TOKEN = "a-token-for-tests-1234"
NOWHERE = "http://127.0.0.1:9/hook"
"""An address at which nothing listens."""


def flat(task_id: str, status: str = "finished", **fields: Any) -> bytes:
    """Write a callback in the newest shape."""
    return json.dumps({"task_id": task_id, "status": status, **fields}).encode()


def envelope(task_id: str, status: str = "finished", **fields: Any) -> bytes:
    """Write a callback in the older shape."""
    data = {"task_id": task_id, "status": status, **fields}
    return json.dumps({"code": 200, "data": data}).encode()


async def tell(receiver: WebhookReceiver, task_id: str, status: str = "finished") -> None:
    """Hand a receiver a callback."""
    await receiver.handle(flat(task_id, status), TOKEN)


def told_session(
    sandbox: Sandbox, on_unknown: OnUnknown | None = None, **settings: Any
) -> tuple[WebhookReceiver, VidgoSession]:
    """Make a session with a receiver to which only the test sends callbacks."""
    receiver = WebhookReceiver(TOKEN, on_unknown)
    return receiver, open_session(sandbox, webhooks=receiver, callback_url=NOWHERE, **settings)


@contextlib.asynccontextmanager
async def served(receiver: WebhookReceiver) -> AsyncGenerator[str]:
    """Serve a receiver; give its address, which has no token yet."""
    async with serving(web.AppRunner(receiver.app, access_log=None)) as host:
        yield f"http://{host}/hook"


@contextlib.asynccontextmanager
async def called_back(sandbox: Sandbox, **settings: Any) -> AsyncGenerator[VidgoSession]:
    """Open a session to which the sandbox sends its callbacks."""
    receiver = WebhookReceiver(TOKEN)
    async with (
        served(receiver) as url,
        open_session(sandbox, webhooks=receiver, callback_url=url, **settings) as vidgo,
    ):
        yield vidgo
