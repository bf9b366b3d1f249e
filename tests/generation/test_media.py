"""Media of requests: uploaded on submit, once for each file."""

import asyncio
import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import anyio
import anyio.lowlevel
import attrs
import pytest

from tests.support.faults import InFlight
from tests.support.sessions import FOX, open_session
from tests.support.uploads import PNG, data_url, moving, picture, pictures
from vidgo_async import (
    GenerationRequest,
    InvalidRequestError,
    SubmissionUnknownError,
    SubmitErrorGroup,
    TypedRequest,
    UploadedFile,
    VidgoError,
)
from vidgo_async.sandbox import Sandbox, both, refusal, reset_after

pytestmark = pytest.mark.virtual_time

URL = "https://example.com/fox.png"
HOUR = 3600.0


def links(sandbox: Sandbox) -> list[str]:
    """Return what each task that was sold got as its picture."""
    return [task.input["image_urls"][0] for task in sandbox.tasks.values()]


def made(sandbox: Sandbox) -> list[str]:
    """Return the links to all uploads."""
    return [f"{sandbox.url}/files/{each}.png" for each in sandbox.uploads]


# --- Media of requests -----------------------------------------------------------------------


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


async def test_media_in_any_field(tmp_path: Path) -> None:
    """Media is found in fields for one URL and in nested objects; text is not touched."""
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


@pytest.mark.parametrize("call", ["submit", "submit_many", "generate", "generate_many"])
async def test_media_of_a_free_form_request(fox: Path, call: str) -> None:
    """Each way of buying uploads what a request to any model holds, but no text."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        file = await vidgo.upload(fox)
        request = GenerationRequest(
            "kling-3.0/pro",
            {
                "prompt": data_url(),
                "image_urls": [file, URL],
                "start_image_url": data_url(),
                "elements": [{"name": "a", "picture": fox}],
            },
        )
        if call == "generate_many":
            assert [outcome.ok async for outcome in vidgo.generate_many([request])] == [True]
        else:
            await getattr(vidgo, call)([request] if call == "submit_many" else request)
        (task,) = sandbox.tasks.values()
        first, second, third = made(sandbox)
        assert task.input["prompt"] == data_url()
        assert task.input["image_urls"] == [first, URL]
        pictures = {task.input["start_image_url"], task.input["elements"][0]["picture"]}
        assert pictures == {second, third}
        assert task.input["elements"][0]["name"] == "a"


async def test_each_medium_of_a_request_gets_its_own_link(tmp_path: Path) -> None:
    """Of all kinds, mixed and twice: each link is where its medium was, and each file sent once."""
    first, second = pictures(tmp_path, 2)
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        there = UploadedFile(URL, datetime.now(UTC))
        media = [data_url(), first, there, second, data_url(), there, first]
        request = GenerationRequest(
            "any",
            {
                "image_urls": media,
                "prompt": data_url(),
                "last": {"image_url": data_url(), "shots": [second, {"mask": first}]},
            },
        )
        await vidgo.submit(request)
        (task,) = sandbox.tasks.values()
        link_of = {
            upload.sha256: f"{sandbox.url}/files/{each}.png"
            for each, upload in sandbox.uploads.items()
        }
        assert len(link_of) == len(sandbox.uploads) == 3
        of_data, of_first, of_second = (
            link_of[hashlib.sha256(data).hexdigest()]
            for data in (PNG, first.read_bytes(), second.read_bytes())
        )
        assert task.input == {
            "image_urls": [of_data, of_first, URL, of_second, of_data, URL, of_first],
            "prompt": data_url(),
            "last": {"image_url": of_data, "shots": [of_second, {"mask": of_first}]},
        }


async def test_a_missing_file_of_a_free_form_request_buys_nothing(tmp_path: Path) -> None:
    """A path that leads nowhere is an error of the submit, before anything is bought."""
    request = GenerationRequest("any", {"image_urls": [tmp_path / "none.png"]})
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        with pytest.raises(FileNotFoundError):
            await vidgo.submit(request)
        assert sandbox.received == {}


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
async def test_an_upload_near_its_expiry_is_repeated(fox: Path, hours: float, uploads: int) -> None:
    """A file that expires within an hour is uploaded again."""
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
    """Each request that shares an upload gets its own copy of its error; the next tries again."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        gate = InFlight()
        sandbox.inject(both(gate, refusal(400, "B")), call="upload")
        requests = [moving(fox, prompt=str(i)) for i in range(3)]
        submits = asyncio.create_task(vidgo.submit_many(requests))
        assert vidgo._runtime is not None
        shared = vidgo._runtime.uploads._shared
        while [upload.waiters for upload in shared.values()] != [3]:
            await anyio.lowlevel.checkpoint()  # a thread reads the picture for each
        gate.release()
        with pytest.raises(SubmitErrorGroup) as caught:
            await submits
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
    """A file that vanishes before it is sent is the error of each request that shares it."""
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


# --- A batch that is stopped -----------------------------------------------------------------


async def test_one_file_by_any_path(fox: Path) -> None:
    """Paths count as one by what they lead to, not by how they are written."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        await vidgo.submit(moving(fox))
        await vidgo.submit(moving(fox.parent / os.curdir / ".." / fox.parent.name / fox.name))
        assert len(sandbox.uploads) == 1
