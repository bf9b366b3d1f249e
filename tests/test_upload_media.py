"""The pace of uploads, and the media of requests: uploaded on submit, once for each file."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import anyio
import attrs
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from support import FOX, foxes, open_session
from upload_support import PNG, Gatherer, data_url, picture
from vidgo_async import (
    AuthenticationError,
    GrokImagine,
    InsufficientCreditsError,
    InvalidRequestError,
    RetryPolicy,
    SessionClosedError,
    SubmissionUnknownError,
    SubmitErrorGroup,
    TransportError,
    TypedRequest,
    UploadedFile,
    VidgoError,
    VidgoSession,
)
from vidgo_async._files.uploads import SharedUpload
from vidgo_async.sandbox import Sandbox, answer, hang, hang_after, refusal, reset_after, slow

pytestmark = pytest.mark.virtual_time

URL = "https://example.com/fox.png"
HOUR = 3600.0


@pytest.fixture
def fox(tmp_path: Path) -> Path:
    return picture(tmp_path)


def now() -> float:
    return asyncio.get_running_loop().time()


def moving(*media: Any, prompt: str = "a fox") -> GrokImagine:
    return GrokImagine(prompt, image_urls=media)


def pictures(folder: Path, count: int) -> list[Path]:
    return [picture(folder, f"{i}.png", PNG + bytes([i])) for i in range(count)]


def links(sandbox: Sandbox) -> list[str]:
    """Return what each task that was sold got as its picture."""
    return [task.input["image_urls"][0] for task in sandbox.tasks.values()]


def made(sandbox: Sandbox) -> list[str]:
    """Return the links to all uploads."""
    return [f"{sandbox.url}/files/{each}.png" for each in sandbox.uploads]


# --- The pace -------------------------------------------------------------------------------


async def test_twenty_uploads_take_their_time() -> None:
    """20 uploads at 5 a minute take three minutes, meet no 429, and outlive the retry policy."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        start = now()
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(vidgo.upload, PNG)
        assert 180 <= now() - start < 185
        assert len(sandbox.uploads) == sandbox.received["upload"] == 20


async def test_slow_uploads_stay_within_the_limit() -> None:
    """However late the server counts an upload, it never meets more than 5 in a minute."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        for skip in range(0, 10, 3):
            sandbox.inject(slow(20), call="upload", skip=skip)
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(vidgo.upload, PNG)
        assert {call.status for call in sandbox.calls} == {200}


async def test_at_most_five_at_once() -> None:
    """No more than 5 uploads are under way."""
    gatherer = Gatherer()

    async def slowly(request: web.Request, handler: Handler) -> web.StreamResponse:
        async def late(request: web.Request) -> web.StreamResponse:
            await asyncio.sleep(5)
            return await handler(request)

        return await gatherer(request, late)

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(slowly, call="upload", times=None)
        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(vidgo.upload, PNG)
        assert gatherer.most == 5


async def test_fewer_at_once_where_connections_are_few() -> None:
    """A small connector is shared: uploads leave requests their connections."""
    gatherer = Gatherer()
    async with Sandbox() as sandbox:
        vidgo = open_session(sandbox, max_concurrent_requests=1)
        async with vidgo:
            sandbox.inject(slow(1), call="upload", times=3)
            sandbox.inject(gatherer, call="upload", times=None)
            async with anyio.create_task_group() as group:
                for _ in range(5):
                    group.start_soon(vidgo.upload, PNG)
        assert gatherer.most == 1
        assert len(sandbox.uploads) == 5


async def test_a_429_slows_only_uploads() -> None:
    """After a 429 of the uploads no upload is sent for as long as asked, but submits are."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(refusal(429, "B", headers={"Retry-After": "40"}), call="upload")
        start = now()
        async with anyio.create_task_group() as group:
            group.start_soon(vidgo.upload, PNG)
            await anyio.sleep(2)
            group.start_soon(vidgo.upload, PNG)
            await vidgo.submit(FOX)
            assert now() - start < 3
        assert 40 <= now() - start < 45


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "0"}, {"Retry-After": "9999"}])
async def test_a_429_that_names_no_time_ends_with_the_minute(headers: dict[str, str]) -> None:
    """Without a sensible Retry-After uploads wait for a minute, and no longer."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(refusal(429, "B", headers=headers), call="upload")
        start = now()
        await vidgo.upload(PNG)
        assert 60 <= now() - start < 62


async def test_what_never_arrived_does_not_count() -> None:
    """Attempts without a connection use up nothing of the 5 a minute."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        async with sandbox.refusing():
            with pytest.raises(TransportError):
                await vidgo.upload(PNG)
        start = now()
        for _ in range(5):
            await vidgo.upload(PNG)
        assert now() - start < 5


async def test_a_cancelled_one_leaves_the_queue() -> None:
    """Who is cancelled in the queue keeps nobody waiting."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        for _ in range(5):
            await vidgo.upload(PNG)
        start = now()
        with anyio.move_on_after(10):
            await vidgo.upload(PNG)
        await vidgo.upload(PNG)
        assert now() - start < 62
        assert sandbox.received["upload"] == 6


# --- Media of requests ----------------------------------------------------------------------


@pytest.mark.parametrize("call", ["submit", "submit_many", "generate", "generate_many"])
async def test_a_path_is_uploaded_first(fox: Path, call: str) -> None:
    """Each way of buying uploads a path, and sends its URL in its place."""
    request = moving(fox)
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        if call == "generate_many":
            outcomes = [outcome async for outcome in vidgo.generate_many([request])]
            assert outcomes[0].ok
            assert outcomes[0].request is request
        else:
            await getattr(vidgo, call)([request] if call == "submit_many" else request)
        assert links(sandbox) == made(sandbox)
        assert len(sandbox.uploads) == 1


async def test_uploaded_files_and_data_urls(fox: Path) -> None:
    """An uploaded file stands for its URL, a data: URL is uploaded, a URL is sent as it is."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        file = await vidgo.upload(fox)
        await vidgo.submit(moving(file))
        await vidgo.submit(moving(data_url()))
        await vidgo.submit(moving(data_url()))
        await vidgo.submit(moving(URL))
        first, second = made(sandbox)
        assert links(sandbox) == [first, second, second, URL]


@attrs.frozen
class Morph(TypedRequest):
    """A model family of a user's own, with media in other places."""

    model: ClassVar[str] = "morph"

    prompt: str
    start_image_url: Any = None
    elements: tuple[dict[str, Any], ...] = ()


async def test_media_in_any_place(tmp_path: Path) -> None:
    """Media is found in fields for one URL and in nested objects; text is left alone."""
    one, two = pictures(tmp_path, 2)
    request = Morph(
        "data: is my text",
        start_image_url=one,
        elements=({"name": "a", "element_input_urls": [two, data_url(), URL], "n": 1},),
    )
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        await vidgo.submit(request)
        (task,) = sandbox.tasks.values()
        a, b, c = made(sandbox)
        assert task.input["prompt"] == "data: is my text"
        assert sorted([task.input["start_image_url"],
                       *task.input["elements"][0]["element_input_urls"]]) == sorted([a, b, c, URL])  # fmt: skip
        assert task.input["elements"][0]["n"] == 1


async def test_a_hundred_requests_share_one_upload(fox: Path, tmp_path: Path) -> None:
    """One file is uploaded once for a session, by whatever path, before and after."""
    (tmp_path / "link.png").symlink_to(fox)
    requests = [moving(fox if i % 2 else tmp_path / "link.png", prompt=str(i)) for i in range(100)]
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        await vidgo.submit_many(requests)
        await vidgo.submit(moving(fox))
        assert sandbox.received["upload"] == 1
        assert links(sandbox) == made(sandbox) * 101


async def test_a_file_that_changed_is_another(fox: Path) -> None:
    """A file that was written again is uploaded again."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        await vidgo.submit(moving(fox))
        picture(fox.parent, data=PNG + b"!")
        await vidgo.submit(moving(fox))
        assert links(sandbox) == made(sandbox)
        assert len(sandbox.uploads) == 2


@pytest.mark.parametrize(("hours", "uploads"), [(70.5, 1), (71.5, 2), (80, 2)])
async def test_an_upload_near_its_end_is_made_anew(fox: Path, hours: float, uploads: int) -> None:
    """An upload with less than an hour to live is made again."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        await vidgo.submit(moving(fox))
        await anyio.sleep(hours * HOUR)
        await vidgo.submit(moving(fox))
        assert len(sandbox.uploads) == uploads


async def test_an_expired_file_buys_nothing() -> None:
    """A file that expired is refused before anything is sent."""
    file = UploadedFile(URL, datetime.now(UTC) - timedelta(hours=73))
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        with pytest.raises(ValueError, match=r"expired at .* upload it again"):
            await vidgo.submit(moving(file))
        assert not sandbox.received


async def test_a_failed_upload_buys_nothing(fox: Path) -> None:
    """Each of those who share an upload gets its own copy of its error; the next tries again."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(refusal(400, "B"), call="upload")
        with pytest.raises(SubmitErrorGroup) as caught:
            await vidgo.submit_many([moving(fox, prompt=str(i)) for i in range(3)])
        errors = list(caught.value.failed.values())
        assert [type(error) for error in errors] == [InvalidRequestError] * 3
        assert len({id(error) for error in errors}) == 3
        assert (sandbox.received["upload"], sandbox.received["submit"]) == (1, 0)
        await vidgo.submit(moving(fox))
        assert (sandbox.received["upload"], sandbox.sold) == (2, 1)


@pytest.mark.parametrize("call", ["submit", "generate_many", "submit_many"])
async def test_a_missing_file_buys_nothing(tmp_path: Path, call: str) -> None:
    """A file that is not there is the error of its request alone."""
    request = moving(tmp_path / "none.png")
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        if call == "submit":
            with pytest.raises(FileNotFoundError, match=r"none\.png"):
                await vidgo.submit(request)
            return
        if call == "submit_many":
            with pytest.raises(SubmitErrorGroup) as caught:
                await vidgo.submit_many([request, FOX])
            error: VidgoError | None = caught.value.failed[0]
        else:
            outcomes = [each async for each in vidgo.generate_many([request, FOX])]
            error = next(each.error for each in outcomes if each.index == 0)
        assert isinstance(error, VidgoError)
        assert isinstance(error.__cause__, FileNotFoundError)
        assert sandbox.sold == 1


async def test_a_shared_upload_that_fails_here(fox: Path) -> None:
    """A file that vanishes before its turn is the error of each who shares it, a copy each."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        for _ in range(5):
            await vidgo.upload(PNG)
        two = [asyncio.create_task(vidgo.submit(moving(fox, prompt=str(i)))) for i in range(2)]
        await anyio.sleep(5)
        await anyio.Path(fox).unlink()
        errors = await asyncio.gather(*two, return_exceptions=True)
        assert [type(error) for error in errors] == [FileNotFoundError] * 2
        assert errors[0] is not errors[1]
        assert sandbox.sold == 0


async def test_a_lost_upload_never_makes_a_sale_unknown(fox: Path) -> None:
    """The answer to an upload may be lost as often as it likes: the submit is sent once."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(reset_after, call="upload", times=2)
        await vidgo.submit(moving(fox))
        assert sandbox.received["submit"] == sandbox.sold == 1


async def test_an_unknown_sale_names_the_callers_request(fox: Path) -> None:
    """`SubmissionUnknownError.request` is the caller's own request, path and all."""
    request = moving(fox)
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(reset_after, call="submit")
        with pytest.raises(SubmissionUnknownError) as caught:
            await vidgo.submit(request)
        assert caught.value.request is request


# --- Who waits for an upload ----------------------------------------------------------------


@pytest.mark.parametrize("many", [True, False])
async def test_who_waits_holds_no_slot(tmp_path: Path, many: bool) -> None:
    """Ready requests are sold while others wait for their uploads, with a single slot too."""
    late = [moving(path) for path in pictures(tmp_path, 7)]
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, max_concurrent_requests=1) as vidgo,
    ):
        start = now()
        if many:
            batch = vidgo.generate_many([*late, FOX], max_in_flight=8)
            seen = {outcome.index: now() - start async for outcome in batch}
            assert seen[7] < 10
            assert max(seen.values()) > 60
        else:
            async with anyio.create_task_group() as group:
                group.start_soon(vidgo.submit_many, [*late, FOX])
                await anyio.sleep(10)
                assert FOX.input in [task.input for task in sandbox.tasks.values()]
                assert sandbox.sold < 8
        assert sandbox.sold == 8


async def test_who_waits_holds_no_place_of_a_batch(tmp_path: Path) -> None:
    """Of requests that wait for uploads as many are read again as may be in flight."""
    late = [moving(path) for path in pictures(tmp_path, 8)]
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        start = now()
        batch = vidgo.generate_many([*late, *foxes(9)], max_in_flight=2)
        seen = {}
        async for outcome in batch:
            assert outcome.ok
            seen[outcome.index] = now() - start
            assert batch.read <= len(seen) + 4
    # Five uploads a minute: two in the lobby wait, and the third stops the reading until then.
    assert max(seen[index] for index in range(5)) < 60 < min(seen[index] for index in range(5, 8))
    assert len(seen) == 17


async def test_ready_requests_pass_those_that_wait(tmp_path: Path) -> None:
    """A batch whose places would all be taken by waiting uploads goes on with the others."""
    late = [moving(path) for path in pictures(tmp_path, 7)]
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        start = now()
        batch = vidgo.generate_many([*late, *foxes(9)], max_in_flight=2)
        seen = {outcome.index: now() - start async for outcome in batch}
    assert max(seen[index] for index in range(7, 16)) < 60 < min(seen[5], seen[6])


async def test_no_deadline_runs_before_the_upload(fox: Path) -> None:
    """Neither `generate`'s timeout nor the retry policy's runs while the upload waits."""
    retry = RetryPolicy(timeout=5.0)
    async with Sandbox() as sandbox, open_session(sandbox, retry=retry) as vidgo:
        for _ in range(5):
            await vidgo.upload(PNG)
        start = now()
        assert (await vidgo.generate(moving(fox), timeout=20)).finished
        assert now() - start > 58


async def test_a_cancelled_caller_buys_nothing(fox: Path) -> None:
    """Cancelled while it waits for the upload, a submit buys nothing and leaves nothing."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(hang, call="upload")
        with anyio.move_on_after(2):
            await vidgo.submit(moving(fox))
        assert sandbox.sold == sandbox.received["submit"] == 0
        await vidgo.submit(moving(fox))
        assert len(sandbox.uploads) == sandbox.sold == 1


async def test_a_cancelled_caller_takes_it_from_nobody(fox: Path) -> None:
    """The upload goes on for those who still wait for it."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(slow(5), call="upload")
        async with anyio.create_task_group() as group:
            group.start_soon(vidgo.submit, moving(fox))
            with anyio.move_on_after(2):
                await vidgo.submit(moving(fox, prompt="another"))
        assert sandbox.received["upload"] == sandbox.sold == 1


async def test_closing_ends_the_wait(fox: Path) -> None:
    """Closing ends shared uploads; who waits gets a `SessionClosedError`, and nothing is bought."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(hang_after, call="upload", times=None)
        waiting = [asyncio.create_task(vidgo.submit(moving(fox, prompt=str(i)))) for i in range(2)]
        await anyio.sleep(2)
        await vidgo.aclose()
        for each in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(each, SessionClosedError)
        assert sandbox.sold == 0


async def test_closing_comes_between(fox: Path) -> None:
    """A session that is closed while a file is looked at begins no upload."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        submit = asyncio.create_task(vidgo.submit(moving(fox)))
        await asyncio.sleep(0)
        await vidgo.aclose()
        with pytest.raises(SessionClosedError):
            await submit
        assert not sandbox.received


async def test_leaving_a_batch_ends_its_uploads(tmp_path: Path) -> None:
    """What nobody waits for any more is not uploaded."""
    requests = [FOX, *(moving(path) for path in pictures(tmp_path, 8))]
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        async with vidgo.generate_many(requests) as batch:
            async for _ in batch:
                break
        await anyio.sleep(200)
        assert len(sandbox.uploads) <= 5


# --- A batch that is stopped ----------------------------------------------------------------


async def many(vidgo: VidgoSession, requests: list[GrokImagine]) -> list[VidgoError | None]:
    return [outcome.error async for outcome in vidgo.generate_many(requests)]


async def bulk(vidgo: VidgoSession, requests: list[GrokImagine]) -> list[VidgoError | None]:
    with pytest.raises(SubmitErrorGroup) as caught:
        await vidgo.submit_many(requests)
    return list(caught.value.failed.values())


@pytest.mark.parametrize("buy", [many, bulk])
@pytest.mark.parametrize("call", ["submit", "upload"])
async def test_a_refused_account_stops_the_uploads_too(
    tmp_path: Path,
    call: str,
    buy: Callable[[VidgoSession, list[GrokImagine]], Awaitable[list[VidgoError | None]]],
) -> None:
    """After a 401 or 402 nobody goes on waiting for an upload: each request yields that error."""
    requests = [moving(path) for path in pictures(tmp_path, 12)]
    kind = InsufficientCreditsError if call == "submit" else AuthenticationError
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(answer(402 if call == "submit" else 401), call=call, times=None)
        start = now()
        errors = await buy(vidgo, requests)
        assert [type(error) for error in errors] == [kind] * 12
        assert now() - start < 30
        assert sandbox.received["upload"] <= 5
        assert sandbox.sold == 0


async def test_a_failed_upload_is_of_no_use() -> None:
    """An upload that just failed or was stopped is not shared, even before it is forgotten."""

    async def fail() -> UploadedFile:
        raise TransportError("lost")

    failed, stopped = asyncio.create_task(fail()), asyncio.create_task(fail())
    stopped.cancel()
    await asyncio.wait({failed, stopped})
    assert all(SharedUpload("key", job, now() + HOUR).is_stale() for job in (failed, stopped))
    assert failed.exception()


async def test_one_file_by_any_path(fox: Path) -> None:
    """Paths count as one by what they lead to, not by how they are written."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        await vidgo.submit(moving(fox))
        await vidgo.submit(moving(fox.parent / os.curdir / ".." / fox.parent.name / fox.name))
        assert len(sandbox.uploads) == 1
