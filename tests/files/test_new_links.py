"""Links that are not there yet, and hosts that refuse programs: how long they are tried."""

from pathlib import Path

import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.faults import RequestTimes
from tests.support.files import names_in
from tests.support.sessions import FOX, foxes, open_session
from vidgo_async import DownloadError, MediaFile, RetryPolicy
from vidgo_async.sandbox import Fault, Sandbox, answer, both, changed, hang, refusal

pytestmark = pytest.mark.virtual_time

NO_KEY = answer(404, "<Error><Code>NoSuchKey</Code></Error>", content_type="application/xml")


@pytest.mark.parametrize("delay", [5.0, 60.0, 295.0])
@pytest.mark.parametrize("call", ["generate", "generate_many", "wait", "get_task"])
async def test_a_file_that_comes_late_is_waited_for(
    delay: float, call: str, tmp_path: Path
) -> None:
    """However the end of a task was seen, a file that is there within 300 s is saved."""
    async with (
        Sandbox(seconds=(1.0, 1.0), link_delay=delay) as sandbox,
        open_session(sandbox, retry=RetryPolicy()) as vidgo,
    ):
        if call == "generate":
            await vidgo.generate(FOX, download_to=tmp_path)
        elif call == "generate_many":
            [outcome] = [one async for one in vidgo.generate_many([FOX], download_to=tmp_path)]
            assert outcome.ok
        else:
            task_id = (await vidgo.submit(FOX)).task_id
            await anyio.sleep(1.1)
            task = await (vidgo.wait(task_id) if call == "wait" else vidgo.get_task(task_id))
            await vidgo.download(task.files[0], tmp_path)
    assert len(names_in(tmp_path)) == 1


async def test_a_batch_waits_for_late_files_and_goes_on(tmp_path: Path) -> None:
    """Late files cost a batch no video."""
    async with (
        Sandbox(seconds=(1.0, 9.0), link_delay=30.0) as sandbox,
        open_session(sandbox, retry=RetryPolicy()) as vidgo,
    ):
        outcomes = [one async for one in vidgo.generate_many(foxes(20), download_to=tmp_path)]
    assert [outcome.ok for outcome in outcomes] == [True] * 20


@pytest.mark.parametrize("status", [401, 403, 404, 409])
async def test_the_waits_for_a_new_link_grow(status: int, tmp_path: Path) -> None:
    """A refused link of a young task is tried for 300 s, ever more slowly, with GET alone."""
    times = RequestTimes()
    methods = set[str]()

    async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
        methods.add(request.method)
        return await refusal(status, "B")(request, handler)

    async with (
        Sandbox(seconds=(1.0, 1.0)) as sandbox,
        open_session(sandbox, retry=RetryPolicy()) as vidgo,
    ):
        sandbox.inject(both(times, refuse), call="file", times=None)
        task = await vidgo.generate(FOX)
        with pytest.raises(DownloadError, match="its task ended less than 6 min ago"):
            await vidgo.download(task.files[0], tmp_path)
    for gap, usual in zip(times.gaps, [1, 2, 4, 8, 16], strict=False):
        assert usual * 0.75 <= gap <= usual * 1.25 + 0.5
    assert 299 < sum(times.gaps) < 301
    assert methods == {"GET"}


@pytest.mark.parametrize("known", ["nothing", "another session", "an old task"])
async def test_a_link_of_unknown_or_old_age_is_tried_for_15_seconds(
    known: str, tmp_path: Path
) -> None:
    """Where the task ended long ago, or it is not known when, 15 s are enough."""
    async with (
        Sandbox(seconds=(1.0, 1.0)) as sandbox,
        open_session(sandbox, retry=RetryPolicy()) as vidgo,
        open_session(sandbox, retry=RetryPolicy()) as other,
    ):
        task = await vidgo.generate(FOX)
        file = task.files[0]
        if known == "nothing":
            file = MediaFile(file.file_url)
        elif known == "an old task":
            await anyio.sleep(601)
        sandbox.inject(NO_KEY, call="file", times=None)
        began = anyio.current_time()
        with pytest.raises(DownloadError, match=r"the host answered 404 \(.*NoSuchKey") as caught:
            await (other if known == "another session" else vidgo).download(file, tmp_path)
        assert 14.9 < anyio.current_time() - began < 16
        assert sandbox.received["file"] in {5, 6}
    assert "24 hours" not in str(caught.value)


async def test_patience_ends_when_a_task_is_no_longer_young(tmp_path: Path) -> None:
    """Ten minutes after the end of its task a refused link is given up."""
    async with (
        Sandbox(seconds=(1.0, 1.0)) as sandbox,
        open_session(sandbox, retry=RetryPolicy(timeout=3000.0)) as vidgo,
    ):
        task = await vidgo.generate(FOX)
        sandbox.inject(NO_KEY, call="file", times=None)
        began = anyio.current_time()
        with pytest.raises(DownloadError):
            await vidgo.download(task.files[0], tmp_path)
        assert 590 < anyio.current_time() - began < 640


async def test_only_a_task_of_known_age_is_said_to_be_old(tmp_path: Path) -> None:
    """The message names the 24 hours where this session saw the task end so long ago."""
    async with Sandbox(seconds=(1.0, 1.0)) as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.generate(FOX)
        await anyio.sleep(24 * 3600 + 10)
        with pytest.raises(DownloadError, match="24 hours after the end of their task"):
            await vidgo.download(task.files[0], tmp_path)


@pytest.mark.parametrize("url", ["http:///x.mp4", "http://[bad/x.mp4", "http://h:99999/x.mp4"])
async def test_an_address_that_cannot_work_is_not_tried_again(url: str, tmp_path: Path) -> None:
    """An address without a host or with a wrong port is an error at once."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        began = anyio.current_time()
        with pytest.raises(DownloadError, match="cannot work"):
            await vidgo.download(MediaFile(url, task_id="a"), tmp_path / "x")
        assert anyio.current_time() - began < 0.5
        assert sandbox.received == {}


# --- Hosts that refuse programs --------------------------------------------------------------------


def for_browsers(refused: Fault) -> Fault:
    """Make a fault that refuses all but browsers."""

    async def apply(request: web.Request, handler: Handler) -> web.StreamResponse:
        if "Mozilla/5.0" in request.headers["User-Agent"]:
            return await handler(request)
        return await refused(request, handler)

    return apply


@pytest.mark.parametrize(
    "refused",
    [
        answer(403, "error code: 1010", content_type="text/plain; charset=UTF-8"),
        answer(403, "<!DOCTYPE html><title>Just a moment...</title>"),
        answer(403, "<html>Access denied</html>", content_type="text/plain"),
    ],
)
async def test_a_host_for_browsers_gets_a_browser(refused: Fault, tmp_path: Path) -> None:
    """A 403 that may be about the `User-Agent` is tried once more, at once, as a browser."""
    async with Sandbox(seconds=(1.0, 1.0)) as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.generate(FOX)
        sandbox.inject(for_browsers(refused), call="file", times=None)
        sandbox.received.clear()
        began = anyio.current_time()
        await vidgo.download(task.files[0], tmp_path)
        assert anyio.current_time() - began < 0.5
        assert (sandbox.received["file"], sandbox.received["status"]) == (2, 0)
        [first, second] = [call.headers for call in sandbox.calls if call.name == "file"]
    assert first is not None
    assert first["User-Agent"].startswith("vidgo_async/")
    assert second is not None
    assert "Authorization" not in second


@pytest.mark.parametrize(
    "refused", [refusal(403, "B"), answer(403, "error code: 2010", content_type="text/plain")]
)
async def test_another_403_is_not_about_browsers(refused: Fault, tmp_path: Path) -> None:
    """A 403 of the host's own is not tried as a browser."""
    async with Sandbox(seconds=(1.0, 1.0)) as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.generate(FOX)
        sandbox.inject(refused, call="file", times=2)
        await vidgo.download(task.files[0], tmp_path)
        calls = [call.headers for call in sandbox.calls if call.name == "file"]
    assert len(calls) == 3
    assert "Mozilla" not in str(calls)


async def test_a_host_that_refuses_browsers_too_is_an_error(tmp_path: Path) -> None:
    """The message shows the words of the page that refused."""
    async with Sandbox(seconds=(1.0, 1.0)) as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.generate(FOX)
        page = answer(403, "<html><title>Attention\n Required!</title><p>x</html>")
        sandbox.inject(page, call="file", times=None)
        with pytest.raises(DownloadError, match=r"answered 403 \(Attention Required!\)"):
            await vidgo.download(task.files[0], tmp_path)


@pytest.mark.parametrize("ends", [False, True])
async def test_a_refusal_whose_body_does_not_come_is_one(ends: bool, tmp_path: Path) -> None:
    """The body of a refusal is waited for five seconds; without it, it is a refusal all the same."""

    async def half_a_page(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = web.StreamResponse(status=404)
        await response.prepare(request)
        await response.write(b"half a page")
        if not ends:
            return await hang(request, handler)
        request.protocol.force_close()
        return response

    async with (
        Sandbox(seconds=(1.0, 1.0)) as sandbox,
        open_session(sandbox, download_timeout=7.5) as vidgo,
    ):
        task = await vidgo.generate(FOX)
        sandbox.inject(half_a_page, call="file")
        await vidgo.download(task.files[0], tmp_path)


@pytest.mark.parametrize(
    "odd",
    [
        answer(200, "<html>"),
        answer(200),
        refusal(404, "A"),
        answer(403, "<html>"),
        changed(status="running", files=[]),
        changed(files=[]),
    ],
)
async def test_one_odd_answer_of_the_api_does_not_end_it(odd: Fault, tmp_path: Path) -> None:
    """While the task is young, one poll for a fresh link decides nothing, whatever it says."""
    async with Sandbox(link_delay=5.0) as sandbox, open_session(sandbox) as vidgo:
        task = await vidgo.generate(FOX)
        sandbox.inject(odd, call="status")
        path = await vidgo.download(task.files[0], tmp_path / "fox.mp4")
        assert path.stat().st_size > 1000
