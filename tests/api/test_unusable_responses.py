"""Responses that cannot be used: each message says what is wrong, and shows no number of aiohttp's."""

import gzip
from pathlib import Path

import pytest

from tests.support.raw_server import RawConnection, raw_server
from vidgo_async import (
    DownloadError,
    GenerationRequest,
    MediaFile,
    RetryPolicy,
    SubmissionUnknownError,
    TransportError,
    VidgoSession,
)

OK = b"HTTP/1.1 200 OK\r\n"
SALE = b'{"code": 200, "data": {"task_id": "task-1"}}'
REQUEST = GenerationRequest("m", {"prompt": "x"})


def session(url: str) -> VidgoSession:
    return VidgoSession("a-key-for-tests", base_url=url, retry=RetryPolicy(timeout=1.0))


def whole(*headers: bytes, body: bytes = SALE) -> bytes:
    return b"\r\n".join([OK.strip(), *headers, b"Content-Length: %d" % len(body), b"", body])


UNUSABLE = {
    "long header": (whole(b"X-Policy: " + b"x" * 70_000), "a header of more than 64 KiB"),
    "long status line": (b"HTTP/1.1 200 " + b"O" * 70_000 + b"\r\n\r\n", "more than 64 KiB"),
    "many headers": (
        whole(*(b"X-%d: y" % number for number in range(1100))),
        "not valid HTTP: Too many headers",
    ),
    "another protocol": (b"SSH-2.0-OpenSSH_9\r\n\r\n", r"not valid HTTP: .*SSH-2\.0"),
    "TLS": (b"\x15\x03\x03\x00\x02\x02\x50\r\n\r\n", "not valid HTTP: Bad status line"),
    "bad header": (OK + b"Bad Header\r\n\r\n", "not valid HTTP: Invalid header"),
    "two lengths": (
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
        "not valid HTTP: Duplicate Content-Length",
    ),
    "bad length": (OK + b"Content-Length: abc\r\n\r\n", "not valid HTTP: Invalid character"),
    "bad chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "not valid HTTP"),
    "cut body": (OK + b"Content-Length: 99\r\n\r\n{", "incomplete: .*received 1 of 99 bytes"),
    "cut chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\nab", "body is incomplete"),
    "bad gzip": (
        whole(b"Content-Encoding: gzip", body=b"not gzip, but long enough to be read"),
        "body cannot be read: .*gzip",
    ),
    "cut headers": (OK + b"Content-Le", "closed the connection without an answer"),
    "nothing": (b"", "closed the connection without an answer"),
}


@pytest.mark.parametrize(("sent", "words"), UNUSABLE.values(), ids=UNUSABLE)
async def test_messages_say_what_is_wrong(sent: bytes, words: str) -> None:
    """A response that cannot be read is described in words; 400 is no status that a server sent."""

    async def serve(connection: RawConnection, number: int) -> None:
        await connection.read_request()
        await connection.send(sent)
        connection.close()

    async with raw_server(serve) as url, session(url) as vidgo:
        with pytest.raises(TransportError, match=words) as caught:
            await vidgo.balance()
        with pytest.raises(SubmissionUnknownError, match=words) as unknown:
            await vidgo.submit(REQUEST)
    for message in (str(caught.value), str(unknown.value)):
        assert "400" not in message.replace(url, "")  # whose port may hold it
        assert "RawResponseMessage" not in message
    assert unknown.value.status in {None, 200}


@pytest.mark.parametrize(
    "headers",
    [
        [b"Content-Security-Policy: " + b"x" * 9_000],
        [b"Set-Cookie: " + b"x" * 64_000],
        [b"X-%d: y" % number for number in range(500)],
    ],
)
async def test_long_heads_are_read(headers: list[bytes], tmp_path: Path) -> None:
    """Headers of up to 64 KiB, and hundreds of them, cost neither a purchase nor a download."""

    async def serve(connection: RawConnection, number: int) -> None:
        while request := await connection.read_request():
            body = SALE if request.startswith(b"POST") else b"\x00\x00\x00\x18ftypmp42 a video"
            await connection.send(whole(*headers, body=body))

    async with raw_server(serve) as url, session(url) as vidgo:
        assert (await vidgo.submit(REQUEST)).task_id == "task-1"
        path = await vidgo.download(MediaFile(f"{url}/fox.mp4"), tmp_path / "fox.mp4")
        assert path.read_bytes().endswith(b"a video")


async def test_a_long_redirect_is_followed(tmp_path: Path) -> None:
    """A file host may redirect to a link of more than 8 KiB."""

    async def serve(connection: RawConnection, number: int) -> None:
        while request := await connection.read_request():
            if request.startswith(b"GET /v?"):
                await connection.send(whole(body=b"\x00\x00\x00\x18ftypmp42 a video"))
            else:
                location = b"Location: /v?policy=" + b"x" * 9_000
                await connection.send(
                    b"HTTP/1.1 302 Found\r\n" + location + b"\r\nContent-Length: 0\r\n\r\n"
                )

    async with raw_server(serve) as url, session(url) as vidgo:
        await vidgo.download(MediaFile(f"{url}/r"), tmp_path / "fox.mp4")


@pytest.mark.virtual_time
async def test_a_file_host_is_described_alike(tmp_path: Path) -> None:
    """A download that gets no HTTP says so, and shows no number of aiohttp's."""

    async def serve(connection: RawConnection, number: int) -> None:
        await connection.read_request()
        await connection.send(b"SSH-2.0-OpenSSH_9\r\n\r\n")
        connection.close()

    async with raw_server(serve) as url, session(url) as vidgo:
        with pytest.raises(DownloadError, match=r"not valid HTTP: .*SSH-2\.0") as caught:
            await vidgo.download(MediaFile(f"{url}/fox.mp4"), tmp_path / "fox.mp4")
    assert "400" not in str(caught.value).replace(url, "")  # whose port may hold it


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: %d\r\n" % (len(SALE) + 9), b"Transfer-Encoding: chunked\r\n"],
)
async def test_an_id_that_came_whole_is_a_purchase(
    head: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A response that broke off after the id of the task is one that names a purchase."""

    async def serve(connection: RawConnection, number: int) -> None:
        await connection.read_request()
        body = b"%x\r\n%s\r\n" % (len(SALE), SALE) if b"chunked" in head else SALE
        await connection.send(OK + head + b"\r\n" + body)
        connection.close()

    async with raw_server(serve) as url, session(url) as vidgo:
        assert (await vidgo.submit(REQUEST)).task_id == "task-1"
    assert "broke off after the task_id" in caplog.text


async def test_compressed_sales_are_read() -> None:
    """A compressed response is read as any other."""

    async def serve(connection: RawConnection, number: int) -> None:
        await connection.read_request()
        await connection.send(whole(b"Content-Encoding: gzip", body=gzip.compress(SALE)))

    async with raw_server(serve) as url, session(url) as vidgo:
        assert (await vidgo.submit(REQUEST)).task_id == "task-1"
