"""Expired links are renewed, and no file host receives the key."""

import asyncio
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.files import names_in
from tests.support.sessions import FOX, open_session
from vidgo_async import (
    DownloadError,
    MediaFile,
    NotFoundError,
    RetryPolicy,
    SessionClosedError,
    Task,
    VidgoSession,
)
from vidgo_async._files.links import fresh_link
from vidgo_async.sandbox import (
    Fault,
    Sandbox,
    answer,
    changed,
    cut_at,
    hang,
    redirected,
    refusal,
    stall_at,
)

pytestmark = pytest.mark.virtual_time

SIZE = 300_000


@pytest.fixture
def sandbox_settings() -> dict[str, Any]:
    """Let links expire after ten minutes."""
    return {"file_size": SIZE, "link_lifetime": 600}


async def test_an_expired_link_is_renewed(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """Where the task is known it is polled once for a fresh link."""
    await anyio.sleep(700)
    path = await vidgo.download(video, tmp_path / "fox.mp4")
    assert path.stat().st_size == SIZE
    assert (sandbox.received["file"], sandbox.received["status"]) == (2, 1)


async def test_a_link_that_expires_during_a_transfer_is_renewed(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """With a fresh link a transfer resumes, each time that it made progress."""
    sandbox.inject(cut_at(100_000), call="file")
    sandbox.inject(refusal(403, "B"), call="file")
    sandbox.inject(cut_at(100_000), call="file")
    sandbox.inject(answer(410), call="file")
    path = await vidgo.download(video, tmp_path / "fox.mp4")
    assert path.stat().st_size == SIZE
    assert (sandbox.received["file"], sandbox.received["status"]) == (5, 2)
    ranges = [call.headers.get("Range") for call in sandbox.calls if call.headers]
    assert ranges == [None, "bytes=100000-", "bytes=100000-", "bytes=200000-", "bytes=200000-"]


@pytest.mark.parametrize("status", [401, 403, 404, 409])
async def test_a_link_that_stays_refused_is_one_error(
    status: int, sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """If fresh links are refused too, the error says so, with the task and the file."""
    sandbox.inject(refusal(status, "B"), call="file", times=None)
    with pytest.raises(DownloadError, match=rf"the host answered {status} \(.*min ago") as caught:
        await vidgo.download(video, tmp_path / "fox.mp4")
    assert caught.value.file == video
    assert caught.value.task is not None
    assert caught.value.task.finished
    # A young task's link: a fresh one at once, and then after growing waits, for 30 s.
    assert sandbox.received["file"] in {6, 7, 8}
    assert sandbox.received["status"] == sandbox.received["file"]
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("status", [400, 410, 451])
async def test_a_link_that_cannot_come_back_is_final(
    status: int, sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """Where the host says that the link will never work, only a fresh one is tried, once."""
    sandbox.inject(answer(status), call="file", times=None)
    with pytest.raises(DownloadError, match=f"the host answered {status}$") as caught:
        await vidgo.download(video, tmp_path / "fox.mp4")
    assert caught.value.task is not None
    assert (sandbox.received["file"], sandbox.received["status"]) == (2, 1)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("task_id", [None, ""])
async def test_without_a_task_an_expired_link_is_tried_for_15_seconds(
    task_id: str | None, sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """An expired link of a file whose task is not known is an error after 15 s, without a poll."""
    await anyio.sleep(700)
    began = anyio.current_time()
    with pytest.raises(
        DownloadError, match=r"The link has expired.*the link may have expired, or not work yet$"
    ):
        await vidgo.download(MediaFile(video.file_url, None, task_id), tmp_path / "fox.mp4")
    assert 14.9 < anyio.current_time() - began < 16
    assert sandbox.received["file"] in {5, 6}
    assert sandbox.received["status"] == 0


async def test_a_task_that_is_gone_is_the_cause(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """If the API no longer knows a task that is not young any more, the error says both."""
    await anyio.sleep(700)
    sandbox.inject(answer(404), call="file")
    sandbox.inject(refusal(404, "D"), call="status")
    with pytest.raises(
        DownloadError, match=r"the host answered 404.*asked for a fresh link: 404"
    ) as no:
        await vidgo.download(video, tmp_path / "fox.mp4")
    assert isinstance(no.value.__cause__, NotFoundError)
    assert no.value.task_id == video.task_id


@pytest.mark.parametrize("fault", [answer(502), refusal(429, "D"), hang])
async def test_an_api_that_is_down_is_polled_again(
    fault: Fault, sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """A failed poll for a fresh link is a retryable failure."""
    await anyio.sleep(700)
    sandbox.inject(fault, call="status", times=2)
    path = await vidgo.download(video, tmp_path / "fox.mp4")
    assert path.stat().st_size == SIZE
    assert sandbox.received["status"] == 3


@pytest.mark.parametrize("refused", [refusal(403, "B"), answer(410), answer(200, "<html>")])
async def test_an_api_that_is_down_for_long_is_waited_for(
    refused: Fault, sandbox: Sandbox, video: MediaFile, tmp_path: Path
) -> None:
    """While no fresh link can be had, the download has its whole patience, whatever the host says."""

    async def refuse_old(request: web.Request, handler: Handler) -> web.StreamResponse:
        is_old = str(request.url) == video.file_url
        return await (refused(request, handler) if is_old else handler(request))

    await anyio.sleep(700)
    sandbox.inject(refuse_old, call="file", times=None)
    sandbox.inject(answer(502), call="status", times=8)
    async with open_session(sandbox, retry=RetryPolicy()) as vidgo:
        began = anyio.current_time()
        path = await vidgo.download(video, tmp_path / "fox.mp4")
    assert path.stat().st_size == SIZE
    assert anyio.current_time() - began > 60


async def test_a_link_that_changes_while_it_is_waited_for_is_followed(tmp_path: Path) -> None:
    """A new task may be given another link later on, and links may expire before they work."""
    async with (
        Sandbox(seconds=(1.0, 1.0), link_delay=100.0, link_lifetime=40.0) as sandbox,
        open_session(sandbox, retry=RetryPolicy()) as vidgo,
    ):
        task = await vidgo.generate(FOX)
        at_first = changed(files=[{"file_url": f"{sandbox.url}/files/not-yet.mp4"}])
        sandbox.inject(at_first, call="status", times=3)
        path = await vidgo.download(task.files[0], tmp_path)
        assert sandbox.received["status"] < 15
    assert path.stat().st_size > 1000


async def test_a_task_without_the_file_has_no_fresh_link(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """If a task that is not young any more has no file, the link stays expired."""
    await anyio.sleep(700)
    sandbox.inject(answer(404), call="file")
    sandbox.inject(changed(files=[]), call="status")
    with pytest.raises(DownloadError, match="the host answered 404"):
        await vidgo.download(video, tmp_path / "fox.mp4")
    assert sandbox.received["file"] == 1


@pytest.mark.parametrize(
    ("links", "fresh"),
    [
        (["http://a/x.mp4?s=2"], "http://a/x.mp4?s=2"),
        (["http://b/y.mp4"], "http://b/y.mp4"),
        (["http://a/y.mp4", "http://cdn/x.mp4?s=2#t"], "http://cdn/x.mp4?s=2#t"),
        (["http://a/y.mp4", "http://a/z.mp4"], None),
        (["http://a/x.mp4", "http://b/x.mp4"], None),
        (["ftp://a/x.mp4"], None),
        ([], None),
    ],
)
def test_the_fresh_link_is_the_same_file(links: list[str], fresh: str | None) -> None:
    """Of a task's files it is the one of the same path, or the only one, and never a guess."""
    task = Task("a", "finished", tuple(MediaFile(link) for link in links))
    assert fresh_link("http://a/x.mp4?s=1", task) == fresh


async def test_closing_ends_a_download_that_renews_its_link(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """A session that closes while a link is renewed raises `SessionClosedError`."""
    sandbox.inject(answer(403), call="file", times=None)
    sandbox.inject(hang, call="status", times=None)
    download = asyncio.create_task(vidgo.download(video, tmp_path / "fox.mp4"))
    await anyio.sleep(1)
    await vidgo.aclose()
    with pytest.raises(SessionClosedError):
        await download
    assert names_in(tmp_path) == []


async def test_closing_ends_a_download_that_is_about_to_renew(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """A link that cannot be renewed because the session closes raises `SessionClosedError`."""

    async def close(request: web.Request, handler: Handler) -> web.StreamResponse:
        assert vidgo._runtime is not None
        vidgo._runtime.limiter.close("the session is closed")
        return web.Response(status=403)

    sandbox.inject(close, call="file")
    with pytest.raises(SessionClosedError):
        await vidgo.download(video, tmp_path / "fox.mp4")
    assert names_in(tmp_path) == []


async def test_no_file_host_ever_sees_the_key(
    sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path
) -> None:
    """In no request that any host got for a file, first, further or redirected, is the key."""
    sandbox.inject(redirected, call="file")
    sandbox.inject(cut_at(1000), call="file")
    sandbox.inject(answer(500), call="file")
    sandbox.inject(stall_at(1000), call="file")
    sandbox.inject(answer(403), call="file")
    sandbox.inject(redirected, call="file")
    await vidgo.download(video, tmp_path / "fox.mp4")
    calls = [call for call in sandbox.calls if call.name == "file"]
    hosts = {call.headers["Host"].partition(":")[0] for call in calls if call.headers}
    assert len(calls) == 7
    assert hosts == {"127.0.0.1", "localhost"}
    for call in calls:
        assert call.headers is not None
        assert sandbox.api_key not in str(call.headers)
        assert "Authorization" not in call.headers
