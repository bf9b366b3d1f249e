"""Sources of uploads: refused before anything is sent, or changed while they are sent."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.sessions import open_session
from tests.support.uploads import PNG, data_url, picture
from vidgo_async import SessionClosedError, VidgoSession
from vidgo_async._core.concurrency import Threads
from vidgo_async._files.upload_body import PIECE, UploadBody
from vidgo_async._files.upload_source import check_source
from vidgo_async.sandbox import Sandbox

pytestmark = pytest.mark.virtual_time


# --- Refused before sending -------------------------------------------------------------------


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


# --- Files that change -----------------------------------------------------------------------


async def opened(path: Path) -> UploadBody:
    source = await anyio.to_thread.run_sync(check_source, path)
    return await anyio.to_thread.run_sync(source.open, Threads())


@pytest.mark.parametrize("size", [0, PIECE + 5, 3 * PIECE])
async def test_a_file_that_changes_while_it_is_sent(tmp_path: Path, size: int) -> None:
    """A file that grows or shrinks while it is sent is an error, not an endless wait."""
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


async def test_a_file_that_vanishes_between_attempts(fox: Path) -> None:
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
