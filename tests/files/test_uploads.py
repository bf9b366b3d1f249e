"""Uploads: four kinds of sources, and the value that comes back."""

import base64
import hashlib
import os
import pickle
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.support.sessions import open_session
from tests.support.uploads import KINDS, PNG, data_url, picture
from vidgo_async import ResponseError, UploadedFile
from vidgo_async.sandbox import DROPPED, Sandbox, changed

pytestmark = pytest.mark.virtual_time

URL = "https://example.com/fox.png"


# --- Four kinds of sources -------------------------------------------------------------------


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


# --- The value -------------------------------------------------------------------------------


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
    unexpected: dict[str, Any] = dict.fromkeys(others, 5) | {
        "file_size": "5",
        "upload_time": DROPPED,
    }
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(changed(**unexpected), call="upload")
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
