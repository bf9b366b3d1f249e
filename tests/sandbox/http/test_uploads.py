"""Prove that uploads work in the three documented forms, and what is refused."""

import base64
import contextlib
import hashlib
import io
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import anyio
import pytest

from tests.support.raw_client import RawClient, Reply, running
from vidgo_async.sandbox import DROPPED, Fault, changed, hang, refusal, reset_after, reset_before
from vidgo_async.sandbox.state.uploads import (
    IMAGE_TYPES,
    MAX_KEPT_SIZE,
    ONE_PIXEL_PNG,
    SIGNATURE_SIZE,
    IncomingFile,
)

pytestmark = pytest.mark.virtual_time

PNG = b"\x89PNG\r\n\x1a\n and so on"
IMAGES = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0 and so on",
    "image/gif": b"GIF89a and so on",
    "image/webp": b"RIFF\n\0\0\0WEBP and so on",
}
HOURS_72 = 72 * 3600


def form_of(data: Any = PNG, name: str = "file", **texts: str) -> aiohttp.FormData:
    """Make a form with one file."""
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field(name, data, filename="cat.png", content_type="image/png")
    for each, text in texts.items():
        form.add_field(each, text)
    return form


async def send(raw: RawClient, data: Any = PNG, **texts: str) -> Reply:
    """Upload a file as a form."""
    form = data if isinstance(data, aiohttp.FormData) else form_of(data, **texts)
    return await raw.call("POST", "/api/common/upload/stream", data=form)


async def send_base64(raw: RawClient, data: str, **texts: Any) -> Reply:
    """Upload a file inside JSON."""
    fields = {"base64_data": data, **texts}
    return await raw.call("POST", "/api/common/upload/base64", json=fields)


async def send_url(raw: RawClient, url: Any, **texts: str) -> Reply:
    """Upload by URL."""
    return await raw.call("POST", "/api/common/upload/url", json={"file_url": url, **texts})


async def megabytes(count: int) -> AsyncIterator[bytes]:
    """Yield zeros, a megabyte at once."""
    for _ in range(count):
        yield bytes(2**20)


def refused(reply: Reply) -> tuple[int, str]:
    """Check the body of a refusal in shape B, and return its status and text."""
    [(name, text)] = reply.json.items()
    assert name == "detail"
    assert isinstance(text, str)
    return reply.status, text


# --- The three forms -------------------------------------------------------------------------


async def test_form() -> None:
    """A form is answered as documented, recorded, and served without a key."""
    async with running() as raw:
        reply = await send(raw, PNG, file_name="a fox.png", upload_path="images/foxes")
        assert reply.json.keys() == {"success", "code", "msg", "data"}
        assert reply.json["success"] is True
        assert reply.data == {
            "file_id": reply.data["file_id"],
            "file_name": "a fox.png",
            "original_name": "cat.png",
            "file_size": len(PNG),
            "mime_type": "image/png",
            "upload_path": "images/foxes",
            "file_url": f"{raw.sandbox.url}/files/{reply.data['file_id']}.png",
            "download_url": reply.data["file_url"],
            "upload_time": reply.data["upload_time"],
            "expires_at": reply.data["expires_at"],
        }
        [upload] = raw.sandbox.uploads.values()
        assert (upload.file_id, upload.file_name) == (reply.data["file_id"], "a fox.png")
        assert (upload.size, upload.sha256) == (len(PNG), hashlib.sha256(PNG).hexdigest())
        assert (upload.upload_path, upload.source_url) == ("images/foxes", None)
        assert 0 <= anyio.current_time() - upload.at < 1
        served = await raw.file(reply.data["file_url"])
        assert (served.status, served.body) == (200, PNG)
        assert served.headers["Content-Type"] == "image/png"


async def test_times() -> None:
    """A file is kept for 72 hours, as its response says, and is then not found."""
    async with running() as raw:
        data = (await send(raw)).data
        times = [datetime.fromisoformat(data[name]) for name in ("upload_time", "expires_at")]
        assert times[1] - times[0] == timedelta(hours=72)
        await anyio.sleep(HOURS_72 - 10)
        assert (await raw.file(data["file_url"])).status == 200
        await anyio.sleep(10)
        assert (await raw.file(data["file_url"])).status == 404


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,", "data:;base64,"])
async def test_base64(prefix: str) -> None:
    """A data URL and bare base64 are the same file, by default named after its id."""
    async with running() as raw:
        data = prefix + base64.b64encode(PNG).decode()
        one = (await send_base64(raw, data)).data
        other = (await send_base64(raw, data, file_name="fox", upload_path="here")).data
        assert (one["file_name"], one["upload_path"]) == (f"{one['file_id']}.png", "")
        assert (other["file_name"], other["upload_path"]) == ("fox", "here")
        assert one["original_name"] is None
        assert (await raw.file(one["file_url"])).body == PNG


async def test_url() -> None:
    """An address is recorded and not fetched: one pixel stands for its file."""
    async with running() as raw:
        url = f"{raw.sandbox.url}/files/a%20fox.jpg?size=1"
        data = (await send_url(raw, url)).data
        assert (data["file_name"], data["mime_type"]) == ("a fox.jpg", "image/png")
        assert raw.sandbox.uploads[data["file_id"]].source_url == url
        assert raw.sandbox.received == {"upload": 1}
        assert (await raw.file(data["file_url"])).body == ONE_PIXEL_PNG
        bare = (await send_url(raw, "https://a.example")).data
        assert (bare["original_name"], bare["file_name"]) == (None, f"{bare['file_id']}.png")


async def test_url_of_an_upload() -> None:
    """The address of an upload gives its content."""
    async with running() as raw:
        url = (await send(raw, IMAGES["image/gif"])).data["file_url"]
        data = (await send_url(raw, url)).data
        assert (await raw.file(data["file_url"])).body == IMAGES["image/gif"]


@pytest.mark.parametrize("kind", IMAGES)
async def test_content_tells_the_type(kind: str) -> None:
    """The type of a file is that of its first bytes, whatever the client says."""
    async with running() as raw:
        data = (await send(raw, IMAGES[kind])).data
        assert data["mime_type"] == kind
        served = await raw.file(data["file_url"])
        assert (served.body, served.headers["Content-Type"]) == (IMAGES[kind], kind)


def test_each_type_has_its_suffix() -> None:
    """Each of the four types has its own suffix."""
    suffixes = {kind: suffix for _, kind, suffix in IMAGE_TYPES}
    assert suffixes.keys() == IMAGES.keys()
    assert sorted(suffixes.values()) == ["gif", "jpg", "png", "webp"]


async def test_unknown_parts() -> None:
    """Unknown parts of a form are ignored, also forms in it."""
    async with running() as raw:
        with aiohttp.MultipartWriter("form-data") as form:
            with aiohttp.MultipartWriter("mixed") as inner:
                inner.append("inside")
            form.append(inner)
            form.append("x").set_content_disposition("form-data", name="more")
            form.append(PNG).set_content_disposition("form-data", name="file", filename="a")
        reply = await raw.call("POST", "/api/common/upload/stream", data=form)
        assert reply.data["original_name"] == "a"


# --- Large files -----------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "is_served"), [(MAX_KEPT_SIZE, True), (MAX_KEPT_SIZE + 1, False)])
async def test_large_file(size: int, is_served: bool) -> None:
    """Size and checksum of a large file are known, and its link works only up to 8 MiB."""
    content = PNG + bytes(size - len(PNG))
    async with running() as raw:
        data = (await send(raw, io.BytesIO(content))).data
        [upload] = raw.sandbox.uploads.values()
        assert (data["file_size"], upload.size) == (size, size)
        assert upload.sha256 == hashlib.sha256(content).hexdigest()
        served = await raw.file(data["file_url"])
        assert (served.status == 200) == is_served
        if is_served:
            assert served.body == content
        else:
            assert refused(served)[0] == 404
            assert (await send_url(raw, data["file_url"])).data["file_size"] == len(ONE_PIXEL_PNG)


def test_large_file_takes_no_memory() -> None:
    """Of a large file only the signature is kept."""
    file = IncomingFile()
    sizes = set[int]()
    file.add(PNG)
    for _ in range(20):
        file.add(bytes(2**20))
        sizes.add(len(file.data))
    assert max(sizes) <= MAX_KEPT_SIZE
    assert bytes(file.data) == PNG[:SIGNATURE_SIZE]
    assert file.image_type() == ("image/png", "png")


async def test_large_json_is_refused() -> None:
    """JSON of more than 32 MiB is refused, and JSON of a megabyte is not."""
    async with running() as raw:
        reply = await raw.call("POST", "/api/common/upload/base64", data=megabytes(33))
        assert refused(reply)[0] == 413
        body = io.BytesIO(b'{"base64_data": "%s"}' % base64.b64encode(PNG + bytes(2**20)))
        assert (await raw.call("POST", "/api/common/upload/base64", data=body)).status == 200


# --- What is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "about"), [(b"", "empty"), (b"GIF", "JPEG, PNG, GIF and WebP"), (b"<svg/>", "type")]
)
async def test_other_types_are_refused(data: bytes, about: str) -> None:
    """An empty file and one of another type are refused in shape B, in any form."""
    async with running() as raw:
        encoded = base64.b64encode(data).decode()
        for reply in (await send(raw, data), await send_base64(raw, encoded)):
            status, text = refused(reply)
            assert status == 400
            assert about in text
        assert raw.sandbox.uploads == {}


@pytest.mark.parametrize(
    ("kind", "body", "about"),
    [
        ("base64", b"{", "JSON"),
        ("base64", b"[]", "object"),
        ("base64", b"{}", "empty"),
        ("base64", {"base64_data": None}, "base64_data must be a string"),
        ("base64", {"base64_data": "iVBO Rw0K"}, "not base64"),
        ("base64", {"base64_data": "data:image/svg+xml,<svg/>"}, "not base64"),
        ("base64", {"base64_data": "", "file_name": 5}, "file_name"),
        ("url", {"upload_path": ["a"]}, "upload_path"),
        ("url", {}, "file_url"),
        ("url", {"file_url": "ftp://a.example/x.png"}, "file_url"),
        ("url", {"file_url": "https://a.example/" + "x" * 2048}, "2048"),
        ("url", {"file_url": "data:image/png;base64,iVBORw0K"}, "file_url"),
    ],
)
async def test_broken_json_is_refused(kind: str, body: Any, about: str) -> None:
    """JSON without a usable file is refused in shape B, and says why."""
    async with running() as raw:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, text = refused(await raw.call("POST", f"/api/common/upload/{kind}", data=data))
        assert status == 400
        assert about in text
        assert raw.sandbox.uploads == {}


def form_without_a_file() -> aiohttp.FormData:
    """Make a form whose part `file` is a text."""
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field("file", "text")
    return form


@pytest.mark.parametrize("body", [b"", b"text", form_of(PNG, "image"), form_without_a_file()])
async def test_form_without_a_file_is_refused(body: Any) -> None:
    """A form without a file, or no form at all, is refused in shape C."""
    async with running() as raw:
        reply = await raw.call("POST", "/api/common/upload/stream", data=body)
        assert reply.status == 422
        assert reply.json == {
            "detail": [{"loc": ["body", "file"], "msg": "Field required", "type": "missing"}]
        }


async def test_two_files_are_refused() -> None:
    """A form with two files is refused, and neither is kept."""
    form = form_of()
    form.add_field("file", PNG, filename="other.png")
    async with running() as raw:
        status, text = refused(await send(raw, form))
        assert (status, raw.sandbox.uploads) == (400, {})
        assert "one file" in text


PART = b'--x\r\nContent-Disposition: form-data; name="file_name"\r\n'


@pytest.mark.parametrize(
    ("boundary", "body"),
    [
        ("", b""),
        ("; boundary=x", b"text"),
        ("; boundary=x", PART),
        ("; boundary=x", PART + b"\r\nno end"),
        ("; boundary=x", PART + b"\r\n\xff\r\n--x--\r\n"),
        ("; boundary=x", PART + b"Content-Type: text/plain; charset=no\r\n\r\na\r\n--x--\r\n"),
        ("; boundary=x", PART + b"no header\r\n\r\na\r\n--x--\r\n"),
    ],
)
async def test_broken_form_is_refused(boundary: str, body: bytes) -> None:
    """A form that cannot be read is refused in shape B."""
    async with running() as raw:
        url = f"{raw.sandbox.url}/api/common/upload/stream"
        headers = {
            "Authorization": f"Bearer {raw.sandbox.api_key}",
            "Content-Type": f"multipart/form-data{boundary}",
        }
        async with raw.http.post(url, data=body, headers=headers) as response:
            reply = Reply(response.status, response.headers, await response.read())
        assert refused(reply) == (400, "the form cannot be read")


async def test_large_text_in_a_form_is_refused() -> None:
    """The texts beside a file are limited too."""
    async with running() as raw:
        with aiohttp.MultipartWriter("form-data") as form:
            text = aiohttp.AsyncIterablePayload(megabytes(33))
            text.set_content_disposition("form-data", name="file_name")
            form.append(text)
        reply = await raw.call("POST", "/api/common/upload/stream", data=form)
        assert refused(reply)[0] == 413


async def test_cut_upload_is_not_kept() -> None:
    """A file whose upload was cut is not kept."""

    async def half() -> AsyncIterator[bytes]:
        yield PNG
        raise OSError

    async with running() as raw:
        with pytest.raises((OSError, aiohttp.ClientError)):
            await send(raw, half())
        assert (await raw.balance()).status == 200
        assert raw.sandbox.received["upload"] == 1
        assert raw.sandbox.uploads == {}


@pytest.mark.parametrize("kind", ["stream", "base64", "url"])
async def test_wrong_key_is_refused(kind: str) -> None:
    """A wrong key is refused in shape B, and does not count as an upload."""
    async with running(uploads_per_minute=1) as raw:
        path = f"/api/common/upload/{kind}"
        assert refused(await raw.call("POST", path, key="wrong", data=PNG))[0] == 401
        assert (await send(raw)).status == 200


async def test_unknown_kind_is_not_found() -> None:
    """A fourth form of upload is not found."""
    async with running() as raw:
        assert refused(await raw.call("POST", "/api/common/upload/ftp"))[0] == 404
        assert raw.sandbox.received == {"unknown": 1}


# --- The rate limit --------------------------------------------------------------------------


async def test_five_a_minute() -> None:
    """Five uploads are allowed in any minute, in all forms together, refused ones included."""
    async with running() as raw:
        start = anyio.current_time()
        assert (await send_url(raw, 5)).status == 400
        await anyio.sleep(30)
        assert [(await send(raw)).status for _ in range(4)] == [200] * 4
        status, text = refused(await send_url(raw, "https://a.example/x"))
        assert status == 429
        assert "5 uploads per minute" in text
        await anyio.sleep(start + 61 - anyio.current_time())
        assert [(await send(raw)).status for _ in range(2)] == [200, 429]
        await anyio.sleep(30)
        assert [(await send(raw)).status for _ in range(5)] == [200] * 4 + [429]
        assert len(raw.sandbox.uploads) == 9


async def test_no_limit() -> None:
    """Without a limit any number of uploads is allowed."""
    async with running(uploads_per_minute=None) as raw:
        assert [(await send(raw)).status for _ in range(20)] == [200] * 20


# --- Use and faults --------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["image_urls", "start_image_url"])
async def test_expired_upload_is_refused_by_submit(field: str) -> None:
    """A submit may link to an upload as long as it is kept."""
    async with running() as raw:
        url = (await send(raw)).data["file_url"]
        parameters = {"n": 1, field: [url, 5] if field.endswith("s") else url}
        assert (await raw.submit(input=parameters)).status == 200
        await anyio.sleep(HOURS_72)
        reply = await raw.submit(input=parameters)
        assert reply.status == 400
        assert "expired" in reply.json["error"]["message"]
        assert (await raw.submit(input={field: "https://a.example/x.png"})).status == 200
        assert raw.sandbox.sold == 2


@pytest.mark.parametrize(
    ("fault", "kept"),
    [(reset_before, 0), (hang, 0), (refusal(429, "B"), 0), (reset_after, 1)],
)
async def test_faults(fault: Fault, kept: int) -> None:
    """Faults apply to uploads before or after the file is kept, and the record has their names."""
    async with running() as raw:
        raw.sandbox.inject(fault, call="upload")
        with anyio.move_on_after(60):
            with contextlib.suppress(aiohttp.ClientError):
                assert (await send(raw)).status == 429
        assert len(raw.sandbox.uploads) == kept
        [call] = raw.sandbox.calls
        assert (call.name, call.fault, call.sold) == ("upload", fault.__name__, False)
        assert [call.task_id] * kept == list(raw.sandbox.uploads)


async def test_missing_fields() -> None:
    """Fields of an upload's response can be left out."""
    async with running() as raw:
        names = ("original_name", "upload_path", "upload_time")
        raw.sandbox.inject(changed(**dict.fromkeys(names, DROPPED)), call="upload")
        assert len((await send(raw)).data) == 7
