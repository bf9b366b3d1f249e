"""Uploads: four kinds of sources, what is refused first, what is sent again."""

import asyncio
import base64
import hashlib
import os
import pickle
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import attrs
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from support import open_session
from upload_support import KINDS, PNG, data_url, picture
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
    UploadedFile,
    VidgoSession,
)
from vidgo_async._core.concurrency import Threads
from vidgo_async._files.upload_body import PIECE, UploadBody
from vidgo_async._files.upload_source import check_source
from vidgo_async.sandbox import (
    DROPPED,
    Fault,
    Sandbox,
    answer,
    changed,
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


@pytest.fixture
def fox(tmp_path: Path) -> Path:
    return picture(tmp_path)


# --- Four kinds of sources ------------------------------------------------------------------


async def test_a_path_goes_as_a_form(tmp_path: Path) -> None:
    """A path arrives whole, under its own name, whatever letters that has."""
    path = picture(tmp_path, 'füchs "1".png', PNG * 9)
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        file = await vidgo.upload(path)
    (kept,) = sandbox.uploads.values()
    assert (kept.size, kept.sha256) == (len(PNG) * 9, hashlib.sha256(PNG * 9).hexdigest())
    assert kept.original_name == file.original_name == "füchs %221%22.png"
    assert (file.file_id, file.file_size, file.mime_type) == (kept.file_id, kept.size, "image/png")
    assert file.file_url.startswith(sandbox.url)
    assert file.raw is not None


async def test_a_path_that_is_no_pathlib_path(fox: Path) -> None:
    """Any os.PathLike is a path."""
    (entry,) = os.scandir(fox.parent)
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        assert (await vidgo.upload(entry)).file_name == "fox.png"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
async def test_bytes_go_as_a_form(kind: str, make: Callable[[bytes], Any]) -> None:
    """Bytes of each allowed kind are uploaded, named by their kind."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        file = await vidgo.upload(make(KINDS[kind]))
    (kept,) = sandbox.uploads.values()
    assert kept.sha256 == hashlib.sha256(KINDS[kind]).hexdigest()
    assert file.mime_type == f"image/{kind}"
    assert file.original_name == f"upload.{kind}"


async def test_a_url_is_fetched_by_the_server() -> None:
    """An http(s) URL goes to its own endpoint: nothing is fetched here."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        await vidgo.upload(URL)
    (kept,) = sandbox.uploads.values()
    assert kept.source_url == URL


async def test_a_data_url_goes_as_base64() -> None:
    """A data: URL arrives as the picture that it is; its white space is taken out."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        await vidgo.upload("data:image/png;base64," + base64.encodebytes(PNG).decode())
    (kept,) = sandbox.uploads.values()
    assert (kept.sha256, kept.original_name) == (hashlib.sha256(PNG).hexdigest(), None)


async def test_a_large_data_url_is_sent_in_pieces() -> None:
    """A data: URL of some megabytes brings no warning about large bodies."""
    data = PNG + bytes(3 * 2**20)
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        assert (await vidgo.upload(data_url(data))).file_size == len(data)


@pytest.mark.parametrize("kind", ["path", "bytes", "url", "data"])
async def test_name_and_folder(fox: Path, kind: str) -> None:
    """`file_name` and `upload_path` are sent with every kind of source."""
    sources: dict[str, Any] = {"path": fox, "bytes": PNG, "url": URL, "data": data_url()}
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        file = await vidgo.upload(sources[kind], file_name="ä 1.png", upload_path="a/b")
    assert (file.file_name, file.upload_path) == ("ä 1.png", "a/b")


async def test_each_call_uploads(fox: Path) -> None:
    """`upload` itself always uploads: only the media of requests share."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        first, second = await vidgo.upload(fox), await vidgo.upload(fox)
    assert first.file_url != second.file_url


async def test_a_large_file_is_never_held(tmp_path: Path) -> None:
    """64 MiB from disk take a few MiB of memory, and arrive whole."""
    path = picture(tmp_path)
    with path.open("ab") as file:
        file.truncate(64 * 2**20)
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        tracemalloc.start()
        try:
            uploaded = await vidgo.upload(path)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert uploaded.file_size == 64 * 2**20
    assert peak < 24 * 2**20


# --- The value ------------------------------------------------------------------------------


async def test_an_upload_knows_when_it_expires(fox: Path) -> None:
    """An upload expires 72 hours after it was sent, by the local clock."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        before = datetime.now(UTC)
        file = await vidgo.upload(fox)
    assert before <= file.uploaded_at <= datetime.now(UTC)
    assert file.expires_at - file.uploaded_at == timedelta(hours=72)
    assert not file.expired
    assert attrs.evolve(file, uploaded_at=before - timedelta(hours=72)).expired


def test_uploads_are_values() -> None:
    """Uploads are frozen, compare and hash without `raw`, and pickle."""
    file = UploadedFile(URL, datetime.now(UTC), file_size=5, raw={"a": 1})
    assert file == attrs.evolve(file, raw=None)
    assert hash(file) == hash(attrs.evolve(file, raw=None))
    assert pickle.loads(pickle.dumps(file)).raw == {"a": 1}
    assert "raw" not in repr(file)


async def test_only_the_link_matters(fox: Path) -> None:
    """Other fields of a wrong type, or missing, are None."""
    others = ("download_url", "file_id", "file_name", "original_name", "mime_type", "upload_path")
    odd: dict[str, Any] = dict.fromkeys(others, 5) | {"file_size": "5", "upload_time": DROPPED}
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(changed(**odd), call="upload")
        file = await vidgo.upload(fox)
    assert file == UploadedFile(file.file_url, file.uploaded_at)


@pytest.mark.parametrize("value", [DROPPED, None, 5, "", ["x"]])
async def test_an_upload_without_a_link(fox: Path, value: object) -> None:
    """An answer without a link is an error with its path, and not asked for again."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(changed(file_url=value), call="upload")
        with pytest.raises(ResponseError, match=r"\$\.data\.file_url"):
            await vidgo.upload(fox)
        assert sandbox.received["upload"] == 1


# --- Refused here first ---------------------------------------------------------------------


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.png")
    return folder / "pipe.png"


BAD: dict[str, tuple[Callable[[Path], object], type[Exception], str]] = {
    "missing": (lambda f: f / "none.png", FileNotFoundError, "none.png"),
    "folder": (lambda f: f, IsADirectoryError, "JPEG, PNG, GIF and WebP"),
    "empty": (lambda f: picture(f, "a", b""), ValueError, "a': empty; allowed are JPEG"),
    "text": (lambda f: picture(f, "a", b"x"), ValueError, "a': no picture by .* allowed are JPEG"),
    "pipe": (pipe, ValueError, "pipe.png' is no regular file"),
    "no bytes": (lambda f: b"", ValueError, "the bytes to upload: empty"),
    "text in bytes": (lambda f: b"RIFF but no", ValueError, "the bytes to upload: no picture"),
    "text in base64": (lambda f: data_url(b"text"), ValueError, "data:image/png.* no picture"),
    "empty base64": (lambda f: data_url(b""), ValueError, "data:image/png.* empty"),
    "no base64": (lambda f: "data:image/png,x", ValueError, "without base64"),
    "broken base64": (lambda f: "data:image/png;base64,@@@@", ValueError, "is not base64"),
    "a name": (lambda f: "fox.png", ValueError, "'fox.png'; for a file pass Path"),
    "ftp": (lambda f: "ftp://example.com/fox.png", ValueError, "no http"),
    "None": (lambda f: None, TypeError, "expected a path, bytes, .* not NoneType"),
    "a list": (lambda f: [1], TypeError, "not list"),
}


@pytest.mark.parametrize("case", BAD)
async def test_what_the_api_would_refuse(tmp_path: Path, case: str) -> None:
    """A bad source is refused by name, and nothing is sent."""
    make, error, words = BAD[case]
    source: Any = make(tmp_path)
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        with pytest.raises(error, match=words) as caught:
            await vidgo.upload(source)
        assert type(caught.value) is error
        assert not sandbox.received


@pytest.mark.parametrize(
    ("error", "options"),
    [
        (TypeError, {"file_name": 5}),
        (TypeError, {"upload_path": b"x"}),
        (ValueError, {"file_name": " "}),
        (ValueError, {"upload_path": "a\r\nb"}),
    ],
)
async def test_bad_names(error: type[Exception], options: Any) -> None:
    """A name or folder that is no text of one line is refused."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        with pytest.raises(error, match=next(iter(options))):
            await vidgo.upload(PNG, **options)
        assert not sandbox.received


async def test_an_upload_needs_an_open_session() -> None:
    """Nothing is uploaded before the session is open, or after it was closed."""
    vidgo = VidgoSession("key")
    with pytest.raises(SessionClosedError):
        await vidgo.upload(PNG)


# --- Files that change ----------------------------------------------------------------------


async def opened(path: Path) -> UploadBody:
    source = await anyio.to_thread.run_sync(check_source, path)
    return await anyio.to_thread.run_sync(source.open, Threads())


@pytest.mark.parametrize("size", [0, PIECE + 5, 3 * PIECE])
async def test_a_file_that_changes_while_it_is_sent(tmp_path: Path, size: int) -> None:
    """A file that grows or shrinks while it is sent is an error, not a wait for ever."""
    path = picture(tmp_path, data=PNG + bytes(2 * PIECE - len(PNG)))
    body = await opened(path)
    await body.read()
    os.truncate(path, size)
    with pytest.raises(ValueError, match=r"fox\.png' changed while it was being uploaded"):
        while await body.read():
            pass
    await anyio.to_thread.run_sync(body.close)


async def test_a_changing_file_is_the_uploads_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller of `upload` gets that error, and the session goes on."""
    path = picture(tmp_path, data=PNG + bytes(2 * PIECE))
    read = UploadBody.read

    async def read_and_truncate(self: UploadBody) -> bytes:
        piece = await read(self)
        os.truncate(path, len(PNG))
        return piece

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        with monkeypatch.context() as patch:
            patch.setattr(UploadBody, "read", read_and_truncate)
            with pytest.raises(ValueError, match=r"fox.png' changed while"):
                await vidgo.upload(path)
        await vidgo.upload(path)
        assert len(sandbox.uploads) == 1


async def test_a_file_that_is_gone_at_its_turn(fox: Path) -> None:
    """A file that vanishes between two attempts is that error."""

    async def remove(request: web.Request, handler: Handler) -> web.StreamResponse:
        await anyio.Path(fox).unlink()
        return web.Response(status=502)

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(remove, call="upload")
        with pytest.raises(FileNotFoundError, match=r"fox\.png"):
            await vidgo.upload(fox)


async def test_closing_a_body_twice_or_early(fox: Path) -> None:
    """A body that was closed before it was read is at its end; closing it again does no harm."""
    body = await opened(fox)
    await anyio.to_thread.run_sync(body.close)
    assert await body.read() == b""
    await anyio.to_thread.run_sync(body.close)


# --- After faults ---------------------------------------------------------------------------


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
async def test_a_clear_no_is_final(
    fox: Path, fault: Fault, error: type[APIError], message: str
) -> None:
    """A refusal is the matching error at once, also inside a success."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(fault, call="upload", times=None)
        with pytest.raises(error) as caught:
            await vidgo.upload(fox)
        assert sandbox.received["upload"] == 1
        assert message in str(caught.value)


async def test_an_answer_before_the_end_ends_the_sending(tmp_path: Path) -> None:
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


async def test_a_wish_to_wait_counts(fox: Path) -> None:
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


async def test_a_slow_transfer_that_moves_goes_on(tmp_path: Path) -> None:
    """A transfer may take longer than `request_timeout` for as long as it moves."""
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
    """Cancelling the caller ends the upload: no task, no file, no turn is left."""
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
