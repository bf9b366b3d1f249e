"""HTTP success is not yet a video: empty bodies, pages and error texts are no files."""

from pathlib import Path

import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.files import MIDDLE, SIZE, CheckedDownload, names_in, requested_ranges
from tests.support.sessions import FOX, open_session
from vidgo_async import DownloadError, MediaFile, RetryPolicy, VidgoSession
from vidgo_async._api.pages import first_words
from vidgo_async._files.pages import page_kind, refuses_programs
from vidgo_async.sandbox import Fault, Sandbox, answer, both, cut_at, gzipped, with_headers

pytestmark = pytest.mark.virtual_time

LOGIN = "<!doctype html><html><title>Please log in to this Wi-Fi</title></html>"
NO_KEY = '<?xml version="1.0"?>\n<Error><Code>NoSuchKey</Code></Error>'
VIDEO = b"\x00\x00\x00\x20ftypisom"


@pytest.fixture
def sandbox_settings() -> dict[str, object]:
    """Serve files of some megabytes."""
    return {"file_size": SIZE}


@pytest.mark.parametrize(
    ("content_type", "body", "kind"),
    [
        ("text/html", b"anything", "HTML"),
        ("text/x-html", b"anything", "HTML"),
        ("application/x-json", b"anything", "JSON"),
        ("video/mp4", b'"not found"', "JSON"),
        ("video/mp4", b"null\n", "JSON"),
        ("video/mp4", "<!doctype html><p>not found".encode("utf-16"), "HTML"),
        ("video/mp4", b" \r\n" * 600, "white space"),
        ("Text/HTML; charset=utf-8", b"", "HTML"),
        ("application/xhtml+xml", b"", "HTML"),
        ("application/json", b"", "JSON"),
        ("text/json", b"", "JSON"),
        ("application/problem+json; charset=utf-8", b"", "JSON"),
        ("application/xml", b"", "XML"),
        ("text/xml", b"", "XML"),
        ("application/atom+xml", b"", "XML"),
        ("video/mp4", b"<!DOCTYPE html>", "HTML"),
        ("video/mp4", b"\xef\xbb\xbf\r\n\n  <HTML lang='de'>", "HTML"),
        ("video/mp4", b"<!-- a page -->", "HTML"),
        ("", b"<head>", "HTML"),
        ("", b"<h1>Not Found</h1>", "HTML"),
        ("", b"<?xml version='1.0'?>", "XML"),
        ("binary/octet-stream", b"<Error><Code>AccessDenied</Code>", "XML"),
        ("", b"<htmlish>", "XML"),
        ("video/mp4", b'{"error": "expired"}', "JSON"),
        ("video/mp4", b'\n{\n  "detail": "Not Found"}', "JSON"),
        ("", b"{}", "JSON"),
        ("", b"[]", "JSON"),
        ("", b'[{"msg": 1}]', "JSON"),
    ],
)
def test_pages_are_told_by_type_or_first_bytes(content_type: str, body: bytes, kind: str) -> None:
    """HTML, JSON and XML are no files: by their type whatever they hold, or by their bytes."""
    assert page_kind(content_type, body) == kind


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("video/mp4", VIDEO),
        ("", VIDEO),
        ("text/plain", VIDEO),
        ("application/x-unheard-of", b"video"),
        ("binary/octet-stream", b"RIFF\x00\x00\x00\x00WEBP"),
        ("not a type", b"\x89PNG\r\n\x1a\n"),
        ("video/mp4", b"<\x00\x01 noise"),
        ("video/mp4", b"{noise"),
        ("video/mp4", b"[\x00"),
        ("image/svg+xml", b"<?xml version='1.0'?><svg>"),
        ("text/plain", b"words"),
        ("video/mp4", b""),
    ],
)
def test_everything_else_passes(content_type: str, body: bytes) -> None:
    """Whatever its type, what does not look like a page is a file."""
    assert page_kind(content_type, body) is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", ""),
        (b"error code: 1010", "error code: 1010"),
        (LOGIN.encode(), "Please log in to this Wi-Fi"),
        (b"<html><style>p {}</style><p>Not &amp; <b>found", "Not & found"),
        (b"<!-- x --><h1>404</h1><script>f()", "404"),
        (b"<Error><Code>NoSuchKey</Code></Error>", "NoSuchKey"),
        (b"\x00two\r\n\x1b[31mlines\xff", "\ufffdtwo \ufffd[31mlines\ufffd"),
        (b"x" * 200, "x" * 119 + "…"),
    ],
)
def test_the_first_words_of_a_body(body: bytes, words: str) -> None:
    """A page's title, or the text without tags; control characters reach no terminal."""
    assert first_words(body) == words


def test_which_refusals_may_be_about_the_program() -> None:
    """Cloudflare's own codes, and pages."""
    assert refuses_programs("text/plain", b"error code: 1020")
    assert refuses_programs("text/html; charset=utf-8", b"")
    assert not refuses_programs("application/json", b'{"detail": "x"}')


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (answer(200, content_type="video/mp4"), "the host sent an empty body"),
        (answer(200, LOGIN), r"HTML came instead of the file \(Please log in to this Wi-Fi\)"),
        (answer(200, LOGIN, content_type="video/mp4"), "HTML came instead"),
        (answer(200, "Not found"), r"HTML came instead of the file \(Not found\)"),
        (answer(200, {"error": "expired"}), 'JSON came instead of the file .*"expired"'),
        (answer(200, '{"a": 1}', content_type="video/mp4"), "JSON came instead"),
        (answer(200, NO_KEY, content_type="application/octet-stream"), "XML came .*NoSuchKey"),
        (both(gzipped, answer(200, LOGIN)), "HTML came instead"),
    ],
)
async def test_what_is_no_file_is_refused(
    fault: Fault, problem: str, sandbox: Sandbox, vidgo: VidgoSession, tmp_path: Path
) -> None:
    """It is tried again for 15 s, and then an error that shows its first words; no file is left."""
    sandbox.inject(fault, call="file", times=None)
    began = anyio.current_time()
    with pytest.raises(DownloadError, match=problem):
        await vidgo.download(MediaFile(f"{sandbox.url}/files/a.mp4"), tmp_path / "fox.mp4")
    assert 14.9 < anyio.current_time() - began < 16
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    "fault",
    [
        answer(200, content_type="video/mp4"),
        answer(200, LOGIN),
        answer(200, {"error": "not ready"}),
        answer(200, NO_KEY, content_type="application/xml"),
    ],
)
async def test_a_page_instead_of_a_new_file_is_tried_again(fault: Fault, tmp_path: Path) -> None:
    """Right after the end of a task a page is like a link that is not there yet."""
    async with (
        Sandbox(seconds=(1.0, 1.0)) as sandbox,
        open_session(sandbox, retry=RetryPolicy()) as vidgo,
    ):
        sandbox.inject(fault, call="file", times=8)
        began = anyio.current_time()
        task = await vidgo.generate(FOX, download_to=tmp_path)
        assert anyio.current_time() - began > 60
    assert names_in(tmp_path) == [f"{task.task_id}.mp4"]


@pytest.mark.parametrize("fault", [answer(200, LOGIN), answer(200, content_type="video/mp4")])
async def test_a_page_does_not_cost_the_bytes_held(
    fault: Fault, sandbox: Sandbox, download: CheckedDownload
) -> None:
    """A page in the middle of a transfer is not taken for the file: the rest is requested then."""
    sandbox.inject(cut_at(MIDDLE), call="file")
    sandbox.inject(fault, call="file", times=2)
    await download()
    assert requested_ranges(sandbox) == [None, *[f"bytes={MIDDLE}-"] * 3]
    assert sandbox.calls[-1].status == 206


async def test_a_page_that_comes_in_pieces_is_one(sandbox: Sandbox, tmp_path: Path) -> None:
    """A page is told by its beginning, however few bytes come at a time."""

    async def slowly(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "video/mp4"})
        await response.prepare(request)
        for byte in LOGIN.encode():
            await response.write(bytes([byte]))
            await anyio.sleep(0.01)
        return response

    sandbox.inject(slowly, call="file", times=None)
    async with open_session(sandbox) as vidgo:
        with pytest.raises(DownloadError, match="Please log in"):
            await vidgo.download(MediaFile(f"{sandbox.url}/files/a.mp4"), tmp_path / "x")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-unheard-of", ""])
async def test_a_file_of_any_other_type_is_saved(
    content_type: str, sandbox: Sandbox, download: CheckedDownload
) -> None:
    """The type of a file decides nothing where it is not that of a page."""
    sandbox.inject(with_headers({"Content-Type": content_type}), call="file")
    await download()
    assert sandbox.received["file"] == 1
