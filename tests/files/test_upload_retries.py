"""Uploads after faults: sent again, given up, cancelled."""

import asyncio
import os
from pathlib import Path

import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.sessions import open_session
from tests.support.uploads import picture
from vidgo_async import (
    APIError,
    AuthenticationError,
    InvalidRequestError,
    RateLimitError,
    ResponseError,
    RetryPolicy,
    ServerError,
    SessionClosedError,
    TransportError,
    TransportTimeoutError,
)
from vidgo_async.sandbox import (
    Fault,
    Sandbox,
    answer,
    cut_body,
    cut_headers,
    endless,
    hang,
    hang_after,
    refusal,
    reset_after,
    reset_before,
)

pytestmark = pytest.mark.virtual_time

URL = "https://example.com/fox.png"


@pytest.mark.parametrize(
    "fault",
    [
        reset_before,
        reset_after,
        hang,
        hang_after,
        cut_headers,
        cut_body,
        endless(),
        answer(500, "<h1>"),
        answer(408, ""),
        answer(200, "<html>"),
        answer(200, []),
        answer(307, headers={"Location": "http://127.0.0.1:1/"}),
        refusal(503, "B"),
        refusal(429, "B"),
        refusal(429, "B", headers={"Retry-After": "3"}),
        refusal(500, "A", inside_200=True),
    ],
)
async def test_an_upload_is_sent_again(fox: Path, fault: Fault) -> None:
    """An upload buys nothing, so after any fault it is sent again."""
    retry = RetryPolicy(timeout=60.0)
    async with Sandbox() as sandbox, open_session(sandbox, retry=retry) as vidgo:
        sandbox.inject(fault, call="upload")
        file = await vidgo.upload(fox)
        assert file.file_id == list(sandbox.uploads)[-1]
        assert sandbox.received["upload"] == 2


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        (refusal(400, "B"), InvalidRequestError, ""),
        (refusal(401, "B"), AuthenticationError, ""),
        (refusal(413, "A"), InvalidRequestError, ""),
        (refusal(422, "C"), InvalidRequestError, ""),
        (refusal(400, "A", inside_200=True), APIError, ""),
        (answer(200, {"success": False, "code": 200, "msg": "too wide"}), InvalidRequestError,
         "400: too wide"),
        (answer(200, {"success": False, "code": 401, "msg": "no"}), AuthenticationError,
         "401: no"),
    ],
)  # fmt: skip
async def test_a_final_failure_is_not_retried(
    fox: Path, fault: Fault, error: type[APIError], message: str
) -> None:
    """A refusal is the matching error at once, also inside a success."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(fault, call="upload", times=None)
        with pytest.raises(error) as caught:
            await vidgo.upload(fox)
        assert sandbox.received["upload"] == 1
        assert message in str(caught.value)


async def test_an_early_response_ends_the_sending(tmp_path: Path) -> None:
    """A server that refuses at once is not sent the rest."""
    path = picture(tmp_path)
    os.truncate(path, 64 * 2**20)

    async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = web.json_response({"detail": "no"}, status=400)
        await response.prepare(request)
        await response.write_eof()
        await asyncio.sleep(3600)
        return response

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(refuse, call="upload")
        with pytest.raises(InvalidRequestError):
            await vidgo.upload(path)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (reset_before, TransportError),
        (answer(502, ""), ServerError),
        (refusal(429, "B"), RateLimitError),
        (answer(200, "{"), ResponseError),
    ],
)
async def test_an_upload_gives_up(fox: Path, fault: Fault, error: type[Exception]) -> None:
    """Trying again ends with the retry policy's time, with the last error."""
    async with Sandbox(uploads_per_minute=None) as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(fault, call="upload", times=None)
        with pytest.raises(error):
            await vidgo.upload(fox)
        assert sandbox.received["upload"] > 2


async def test_retry_after_of_an_upload_is_honoured(fox: Path) -> None:
    """A server that asks for waits of a minute does not stretch the retry policy's time."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(refusal(503, "B", headers={"Retry-After": "60"}), call="upload")
        with pytest.raises(ServerError):
            await vidgo.upload(fox)


async def test_a_server_that_reads_nothing_is_given_up(tmp_path: Path) -> None:
    """A transfer that does not move ends after `request_timeout`."""
    path = picture(tmp_path)
    os.truncate(path, 64 * 2**20)
    retry = RetryPolicy(timeout=5.0)
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, request_timeout=9.0, retry=retry) as vidgo,
    ):
        sandbox.inject(hang, call="upload", times=None)
        start = asyncio.get_running_loop().time()
        with pytest.raises(TransportTimeoutError):
            await vidgo.upload(path)
        assert asyncio.get_running_loop().time() - start < 6


async def test_a_slow_transfer_with_progress_goes_on(tmp_path: Path) -> None:
    """A transfer may take longer than `request_timeout` while it makes progress."""
    path = picture(tmp_path)
    os.truncate(path, 24 * 2**20)

    async def sip(request: web.Request, handler: Handler) -> web.StreamResponse:
        read = 0
        while chunk := await request.content.readany():
            if read // 2**20 != (read + len(chunk)) // 2**20:
                await asyncio.sleep(0.5)
            read += len(chunk)
        return web.json_response({"code": 200, "data": {"file_url": URL}})

    async with Sandbox() as sandbox, open_session(sandbox, request_timeout=6.0) as vidgo:
        sandbox.inject(sip, call="upload")
        start = asyncio.get_running_loop().time()
        assert (await vidgo.upload(path)).file_url == URL
        assert asyncio.get_running_loop().time() - start > 10


async def test_a_cancelled_upload_leaves_nothing(fox: Path) -> None:
    """Cancelling the caller ends the upload: no task, no open file and no permit is left."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(hang, call="upload")
        with anyio.move_on_after(2):
            await vidgo.upload(fox)
        await vidgo.upload(fox)
        assert len(sandbox.uploads) == 1


async def test_closing_ends_an_upload(fox: Path) -> None:
    """Closing the session ends an upload with a `SessionClosedError`."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(hang, call="upload")
        upload = asyncio.create_task(vidgo.upload(fox))
        await asyncio.sleep(2)
        await vidgo.aclose()
        with pytest.raises(SessionClosedError):
            await upload


async def test_an_upload_shows_no_key(fox: Path) -> None:
    """An error of an upload holds no key, even where the server repeats it."""
    key = "sk-a-very-secret-key"
    async with Sandbox(api_key=key) as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(answer(400, {"detail": f"bad {key}"}), call="upload")
        with pytest.raises(InvalidRequestError) as caught:
            await vidgo.upload(fox)
        assert key not in repr(vars(caught.value)) + str(caught.value)
