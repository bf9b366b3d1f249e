"""The calls of the API, over the state: what a request means and how it is answered."""

import asyncio
import functools
import json
from datetime import UTC, datetime
from typing import Any

import attrs
from aiohttp import web
from aiohttp.typedefs import Handler

from vidgo_async.sandbox.calls import CALL, name_of
from vidgo_async.sandbox.mp4 import make_mp4
from vidgo_async.sandbox.orders import Film, RefusedError, read_order
from vidgo_async.sandbox.world import SoldTask, World

CALLS_OF_SHAPE_A = frozenset({"submit", "balance"})
"""The calls that say no with `{"code", "error"}`; all others do it with `{"detail"}`."""


@attrs.frozen
class Endpoints:
    """The API's calls over the state; the name of a route is the name of its call."""

    world: World
    api_key: str

    def routes(self) -> list[web.RouteDef]:
        """List the calls."""
        return [
            web.post("/api/generate/submit", self.submit, name="submit"),
            web.get("/api/generate/status/{task_id:.+}", self.status, name="status"),
            web.get("/api/user/balance", self.balance, name="balance"),
            web.get("/files/{task_id:.+}.mp4", self.file, name="file"),
        ]

    async def submit(self, request: web.Request) -> web.Response:
        """Sell a task."""
        self._check_key(request)
        order = read_order(await _read_json(request))
        task = self.world.sell(order, _now(), datetime.now(UTC))
        request[CALL].sold, request[CALL].task_id = True, task.task_id
        return _success(task_id=task.task_id, status="not_started", created_time=task.created_time)

    async def status(self, request: web.Request) -> web.Response:
        """Tell how a task fares."""
        self._check_key(request)
        task, now = self._task(request), _now()
        status = task.status(now)
        return _success(
            task_id=task.task_id,
            status=status,
            files=[_file(request, task)] if status == "finished" else [],
            created_time=task.created_time,
            progress=task.progress(now),
            error_message=task.failure if status == "failed" else None,
        )

    async def balance(self, request: web.Request) -> web.Response:
        """Tell what is left to spend."""
        self._check_key(request)
        return _success(email="you@example.com", credits_amount=self.world.credits_left(_now()))

    async def file(self, request: web.Request) -> web.Response:
        """Send the video of a finished task; whoever knows the link may have it."""
        task = self._task(request)
        if not task.has_file(_now()):
            raise RefusedError(404, "not_found_error", "File not found")
        return web.Response(body=_video(task.film), content_type="video/mp4")

    def _check_key(self, request: web.Request) -> None:
        if request.headers.get("Authorization") != f"Bearer {self.api_key}":
            raise RefusedError(401, "authentication_error", "Invalid API key")

    def _task(self, request: web.Request) -> SoldTask:
        task = self.world.tasks.get(request.match_info["task_id"])
        if task is None:
            raise RefusedError(404, "not_found_error", "Task not found")
        return task


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _read_json(request: web.Request) -> Any:
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, "validation_error", "the body must be JSON") from error


def _success(**data: Any) -> web.Response:
    return web.json_response({"code": 200, "data": data})


def _file(request: web.Request, task: SoldTask) -> dict[str, str]:
    # The host is the one that the client called, so the link works behind a proxy too.
    url = f"{request.url.origin()}/files/{task.task_id}.mp4"
    return {"file_url": url, "file_type": "video"}


@functools.lru_cache(maxsize=128)
def _video(film: Film) -> bytes:
    return make_mp4(film.width, film.height, film.seconds, seed=film.seed)


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Put every no into the error shape of its call."""
    try:
        return await handler(request)
    except RefusedError as error:
        refused = error
    except web.HTTPException as error:
        refused = RefusedError(error.status, "invalid_request_error", error.reason)
    if name_of(request) in CALLS_OF_SHAPE_A:
        details = {"message": refused.message, "type": refused.kind}
        body: dict[str, Any] = {"code": refused.code, "error": details}
    else:
        body = {"detail": refused.message}
    return web.json_response(body, status=refused.code)


async def hide_server(_: web.Request, response: web.StreamResponse) -> None:
    """Take out the header that would give the sandbox away."""
    response.headers.popall("Server", None)
