"""The calls of the API: what a request does to the state, and how it is answered."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import attrs
from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from vidgo_async.sandbox.http.calls import CALL, FORCED_FAILURE, call_name
from vidgo_async.sandbox.http.request_bodies import read_json, read_upload
from vidgo_async.sandbox.http.storage import Storage, file_response
from vidgo_async.sandbox.media.file_content import Content
from vidgo_async.sandbox.state.account import Account
from vidgo_async.sandbox.state.checks import RefusedError
from vidgo_async.sandbox.state.submissions import read_submission
from vidgo_async.sandbox.state.tasks import SoldTask
from vidgo_async.sandbox.state.uploads import Uploads

CALLS_OF_SHAPE_A = frozenset({"submit", "balance"})
"""The calls that refuse with `{"code", "error"}`; all others do it with `{"detail"}`."""


@attrs.frozen
class Endpoints:
    """The handlers of the calls; the name of a route is the name of its call."""

    api_key: str
    account: Account
    uploads: Uploads
    storage: Storage
    on_sold: Callable[[SoldTask], None]
    """Called with each task that was sold."""

    def routes(self) -> list[web.RouteDef]:
        """List the routes."""
        return [
            web.post("/api/generate/submit", self.submit, name="submit"),
            web.get("/api/generate/status/{task_id:.+}", self.status, name="status"),
            web.get("/api/user/balance", self.balance, name="balance"),
            web.get("/files/{task_id:.+}.{suffix:mp4|jpg|png|gif|webp}", self.file, name="file"),
            web.post("/api/common/upload/{kind:stream|base64|url}", self.upload, name="upload"),
        ]

    async def submit(self, request: web.Request) -> web.Response:
        """Sell a task."""
        self._check_key(request)
        submission = read_submission(await read_json(request))
        self.uploads.check_input(submission.input, _now())
        now, failure = _now(), request.get(FORCED_FAILURE)
        task = self.account.sell(submission, now, datetime.now(UTC), failure)
        request[CALL].sold, request[CALL].task_id = True, task.task_id
        self.on_sold(task)
        status = "failed" if task.status(now) == "failed" else "not_started"
        return _success(task_id=task.task_id, status=status, created_time=task.created_time)

    async def status(self, request: web.Request) -> web.Response:
        """Return the state of a task."""
        self._check_key(request)
        return _success(**self.task_object(self._task(request), _client_origin(request)))

    def task_object(self, task: SoldTask, origin: URL) -> dict[str, Any]:
        """Return a task as it is now, with links to that host."""
        now = _now()
        status = task.status(now)
        return {
            "task_id": task.task_id,
            "status": status,
            "files": [self._file(origin, task)] if status == "finished" else [],
            "created_time": task.created_time,
            "finished_time": task.finished_time if now >= task.ends_at else None,
            "progress": task.progress(now),
            "credits_amount": task.credits_amount(now),
            "error_message": task.failure if status == "failed" else None,
        }

    async def balance(self, request: web.Request) -> web.Response:
        """Return the credits left."""
        self._check_key(request)
        return _success(email="you@example.com", credits_amount=self.account.credits_left(_now()))

    async def upload(self, request: web.Request) -> web.Response:
        """Keep a file."""
        self._check_key(request)
        self.uploads.check_rate(_now())
        file = await read_upload(request, self.uploads)
        upload = self.uploads.store(file, _now(), datetime.now(UTC))
        request[CALL].task_id = upload.file_id
        url = str(_client_origin(request) / "files" / f"{upload.file_id}.{upload.suffix}")
        data = {
            "file_id": upload.file_id,
            "file_name": upload.file_name,
            "original_name": upload.original_name,
            "file_size": upload.size,
            "mime_type": upload.mime_type,
            "upload_path": upload.upload_path,
            "file_url": url,
            "download_url": url,
            "upload_time": upload.upload_time,
            "expires_at": upload.expires_at,
        }
        body = {"success": True, "code": 200, "msg": "File uploaded successfully", "data": data}
        return web.json_response(body)

    async def file(self, request: web.Request) -> web.Response:
        """Send a video or an uploaded image. As at the real host, no key is needed."""
        is_video = request.match_info["suffix"] == "mp4"
        content = self._video(request) if is_video else self._image(request)
        if content is None:
            raise RefusedError(404, "not_found_error", "File not found")
        return await file_response(request, content)

    def _check_key(self, request: web.Request) -> None:
        if request.headers.get("Authorization") != f"Bearer {self.api_key}":
            raise RefusedError(401, "authentication_error", "Invalid API key")

    def _task(self, request: web.Request) -> SoldTask:
        task = self.account.tasks.get(request.match_info["task_id"])
        if task is None:
            raise RefusedError(404, "not_found_error", "Task not found")
        return task

    def _video(self, request: web.Request) -> Content | None:
        task, now = self._task(request), _now()
        self.storage.check_link(request.url, now)
        is_ready = now >= task.ends_at + self.storage.link_delay
        return self.storage.video(task.film) if is_ready and task.has_file(now) else None

    def _image(self, request: web.Request) -> Content | None:
        upload = self.uploads.all.get(request.match_info["task_id"])
        return upload.content if upload and upload.is_alive(_now()) else None

    def _file(self, origin: URL, task: SoldTask) -> dict[str, str]:
        url = origin / "files" / f"{task.task_id}.mp4"
        return {"file_url": str(self.storage.sign(url, _now())), "file_type": "video"}


def _now() -> float:
    return asyncio.get_running_loop().time()


def _client_origin(request: web.Request) -> URL:
    """Return the scheme and host that the client called, so that links work behind a proxy.

    A proxy that ends TLS or changes `Host` tells what the client used in `X-Forwarded-Proto` and
    `X-Forwarded-Host`. Of several proxies the first one is the client's.
    """
    scheme = _first_value(request, "X-Forwarded-Proto").lower()
    if scheme not in {"http", "https"}:
        scheme = request.scheme
    host = _first_value(request, "X-Forwarded-Host") or request.host
    return URL.build(scheme=scheme, authority=host)


def _first_value(request: web.Request, name: str) -> str:
    return request.headers.get(name, "").partition(",")[0].strip()


def _success(**data: Any) -> web.Response:
    return web.json_response({"code": 200, "data": data})


@web.middleware
async def error_bodies(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Write each refusal in the error shape of its call."""
    try:
        return await handler(request)
    except RefusedError as error:
        refused = error
    except web.HTTPException as error:
        refused = RefusedError(error.status, "invalid_request_error", error.reason)
    if call_name(request) in CALLS_OF_SHAPE_A:
        details = {"message": refused.message, "type": refused.kind}
        body: dict[str, Any] = {"code": refused.code, "error": details}
    elif refused.loc:
        body = {"detail": [{"loc": refused.loc, "msg": refused.message, "type": refused.kind}]}
    else:
        body = {"detail": refused.message}
    return web.json_response(body, status=refused.code)


async def remove_server_header(_: web.Request, response: web.StreamResponse) -> None:
    """Remove the header that names aiohttp."""
    response.headers.popall("Server", None)
