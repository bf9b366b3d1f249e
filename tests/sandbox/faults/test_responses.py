"""Prove what each fault of the response sends, and whether it sells."""

import gzip
from typing import Any

import aiohttp
import pytest

from tests.support.raw_client import running
from vidgo_async.sandbox import (
    DROPPED,
    Shape,
    answer,
    changed,
    failed_at_once,
    gzipped,
    refusal,
    with_headers,
)
from vidgo_async.sandbox.faults.responses import ERROR_TYPES

pytestmark = pytest.mark.virtual_time

# --- Any response ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "sent", "kind"),
    [
        (b"", b"", "text/html"),
        (b"\0\xff", b"\0\xff", "text/html"),
        ("<h1>é</h1>", "<h1>é</h1>".encode(), "text/html"),
        ({"detail": "slow down"}, b'{"detail": "slow down"}', "application/json"),
        ([1], b"[1]", "application/json"),
    ],
)
async def test_answer(body: Any, sent: bytes, kind: str) -> None:
    """Any response can be sent, and nothing is sold."""
    async with running() as raw:
        raw.sandbox.inject(answer(503, body))
        reply = await raw.submit()
        assert (reply.status, reply.body, reply.headers["Content-Type"]) == (503, sent, kind)
        assert raw.sandbox.sold == 0


async def test_answer_with_headers() -> None:
    """A response can have headers and a content type, and applies to more than one request."""
    async with running() as raw:
        headers = {"Retry-After": "2", "X-Other": "é"}
        raw.sandbox.inject(answer(429, headers=headers, content_type="text/plain"), times=2)
        for reply in (await raw.submit(), await raw.submit()):
            assert reply.headers["Retry-After"] == "2"
            assert reply.headers["X-Other"] == "é"
            assert reply.headers["Content-Type"] == "text/plain"


def test_answer_must_be_sendable() -> None:
    """A body that JSON cannot hold is refused when the fault is made."""
    with pytest.raises(TypeError, match="serializable"):
        answer(200, {"when": object()})


async def test_redirect_to_another_host() -> None:
    """A response can redirect to another sandbox, which counts who follows."""
    async with running() as raw, running() as other:
        target = f"{other.sandbox.url}/api/user/balance"
        raw.sandbox.inject(answer(307, headers={"Location": target}), call="balance")
        await raw.balance()
        assert other.sandbox.received == {"balance": 1}


async def test_garbage_called_gzip() -> None:
    """A body can claim to be gzip and be something else."""
    async with running() as raw:
        raw.sandbox.inject(answer(200, b"{}", {"Content-Encoding": "gzip"}))
        with pytest.raises(aiohttp.ClientPayloadError):
            await raw.submit()


# --- Refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "body"),
    [
        ("A", {"code": 429, "error": {"message": "calm down", "type": "rate_limit_error"}}),
        ("B", {"detail": "calm down"}),
        ("C", {"detail": [{"loc": ["body"], "msg": "calm down", "type": "rate_limit_error"}]}),
        ("D", {"code": 429, "message": "calm down"}),
    ],
)
async def test_refusal_has_its_shape(shape: Shape, body: Any) -> None:
    """Each documented error body can be sent, and nothing is sold."""
    async with running() as raw:
        retry_after = {"Retry-After": "-1"}
        raw.sandbox.inject(refusal(429, shape, message="calm down", headers=retry_after))
        reply = await raw.submit()
        assert (reply.status, reply.json, reply.headers["Retry-After"]) == (429, body, "-1")
        assert raw.sandbox.sold == 0


@pytest.mark.parametrize("shape", ["A", "D"])
async def test_refusal_inside_200(shape: Shape) -> None:
    """A refusal can be HTTP 200 if its shape has a code."""
    async with running() as raw:
        raw.sandbox.inject(refusal(402, shape, inside_200=True))
        reply = await raw.submit()
        assert (reply.status, reply.json["code"]) == (200, 402)
        assert raw.sandbox.sold == 0


@pytest.mark.parametrize("shape", ["B", "C"])
def test_refusal_inside_200_without_a_code_is_refused(shape: Shape) -> None:
    """A refusal inside 200 needs a shape with a code."""
    with pytest.raises(ValueError, match=f"shape {shape} has no code"):
        refusal(402, shape, inside_200=True)


@pytest.mark.parametrize(
    ("status", "error"),
    [(status, {"type": kind}) for status, kind in ERROR_TYPES.items()]
    + [
        (599, {"message": "Error", "type": "server_error"}),
        (404, {"message": "Not Found", "type": "not_found_error"}),
    ],
)
async def test_refusal_defaults(status: int, error: dict[str, str]) -> None:
    """By default a refusal has the usual message and type of its status."""
    async with running() as raw:
        raw.sandbox.inject(refusal(status))
        reply = await raw.submit()
        assert reply.status == reply.json["code"] == status
        assert reply.json["error"].items() >= error.items()


async def test_refusal_takes_any_type() -> None:
    """A refusal can have any type and an empty message."""
    async with running() as raw:
        raw.sandbox.inject(refusal(400, message="", type="content_moderation_error"))
        error = {"message": "", "type": "content_moderation_error"}
        assert (await raw.submit()).json["error"] == error


# --- Changes of the real response ------------------------------------------------------------


@pytest.mark.parametrize("fields", [{"status": "dreaming"}, {"files": None}, {"progress": 150}])
async def test_changed(fields: dict[str, Any]) -> None:
    """A changed response is the real one except for the named fields."""
    async with running(seconds=(1000.0, 1000.0)) as raw:
        task_id = await raw.buy()
        real = (await raw.status(task_id)).data
        raw.sandbox.inject(changed(**fields), call="status")
        assert (await raw.status(task_id)).data == {**real, **fields}
        assert (await raw.status(task_id)).data == real


async def test_dropped_fields() -> None:
    """A field can be left out, whether the real response has it or not."""
    async with running() as raw:
        raw.sandbox.inject(changed(status=DROPPED, nothing=DROPPED, task_id=7))
        reply = await raw.submit()
        assert reply.data.keys() == {"task_id", "created_time"}
        assert reply.data["task_id"] == 7
        assert raw.sandbox.sold == 1


async def test_lost_task_id() -> None:
    """A submit can be answered with HTTP 200 and no id, after the sale."""
    async with running() as raw:
        raw.sandbox.inject(changed(task_id=None))
        reply = await raw.submit()
        assert (reply.status, reply.data["task_id"]) == (200, None)
        assert raw.sandbox.sold == 1


@pytest.mark.parametrize("status", ["running", "failed", "finished"])
async def test_submit_with_another_status(status: str) -> None:
    """A submit can be answered with any status; polls have the real one."""
    async with running(seconds=(1000.0, 1000.0)) as raw:
        raw.sandbox.inject(changed(status=status))
        task_id = (bought := (await raw.submit()).data)["task_id"]
        assert bought["status"] == status
        assert (await raw.status(task_id)).data["status"] == "not_started"


async def test_failed_at_once() -> None:
    """A task can have failed when it is bought; its polls tell why, and its credits are back."""
    async with running(credits=3.0) as raw:
        raw.sandbox.inject(failed_at_once("no cats"))
        failed, other = (await raw.submit()).data, (await raw.submit()).data
        assert (failed["status"], other["status"]) == ("failed", "not_started")
        task = (await raw.status(failed["task_id"])).data
        assert (task["status"], task["error_message"], task["files"]) == ("failed", "no cats", [])
        assert (raw.sandbox.sold, raw.sandbox.credits) == (2, 1.5)
        assert [call.fault for call in raw.sandbox.calls[:2]] == ["failed_at_once", None]


@pytest.mark.parametrize(
    ("change", "types"),
    [
        (lambda files: files[1:], []),
        (lambda files: files * 2, ["video", "video"]),
        (lambda files: [{**file, "file_type": "audio"} for file in files], ["audio"]),
    ],
    ids=["too few", "more", "audio"],
)
async def test_change_of_the_real_value(change: Any, types: list[str]) -> None:
    """A function changes the real value of a field, so that links in it still work."""
    async with running() as raw:
        task_id = await raw.buy()
        await raw.ended(task_id)
        raw.sandbox.inject(changed(files=change), call="status")
        files = (await raw.status(task_id)).data["files"]
        assert [file["file_type"] for file in files] == types
        for file in files:
            assert (await raw.file(file["file_url"])).status == 200


async def test_change_of_a_missing_value() -> None:
    """A function gets None for a field that the real response does not have."""
    async with running() as raw:
        raw.sandbox.inject(changed(progress=lambda real: [real], status=lambda _: DROPPED))
        data = (await raw.submit()).data
        assert data["progress"] == [None]
        assert "status" not in data


async def test_nothing_to_change() -> None:
    """A response without data is not changed."""
    async with running() as raw:
        task = await raw.ended(await raw.buy())
        raw.sandbox.inject(changed(status="x"), call=None, times=None)
        assert (await raw.status("unknown")).json == {"detail": "Task not found"}
        assert (await raw.file(task["files"][0]["file_url"])).headers["Content-Type"] == "video/mp4"


def test_change_must_be_sendable() -> None:
    """A value that JSON cannot hold is refused when the fault is made."""
    with pytest.raises(TypeError, match="serializable"):
        changed(files=object())


async def test_other_headers() -> None:
    """Headers can be replaced, added and left out, in a file and in any other response."""
    async with running() as raw:
        task = await raw.ended(await raw.buy())
        url = task["files"][0]["file_url"]
        real = await raw.file(url)
        headers = {"etag": DROPPED, "Repr-Digest": "sha-256=:AAAA:", "Nothing": DROPPED, "Age": 5}
        raw.sandbox.inject(with_headers(headers), call=None, times=2)
        reply = await raw.file(url)
        assert reply.body == real.body
        assert ("ETag" in real.headers, "ETag" in reply.headers) == (True, False)
        assert (reply.headers["Repr-Digest"], reply.headers["Age"]) == ("sha-256=:AAAA:", "5")
        sale = await raw.submit()
        assert (sale.status, sale.headers["Age"], raw.sandbox.sold) == (200, "5", 2)


async def test_gzipped() -> None:
    """A compressed response is the real one, also for a client that did not ask for it."""
    async with running() as raw, aiohttp.ClientSession(auto_decompress=False) as http:
        raw.sandbox.inject(gzipped, call=None, times=None)
        task = await raw.ended(await raw.buy())
        assert raw.sandbox.sold == 1
        url = task["files"][0]["file_url"]
        async with http.get(url, headers={"Accept-Encoding": "identity"}) as response:
            assert response.headers["Content-Encoding"] == "gzip"
            assert response.headers["Content-Type"] == "video/mp4"
            assert gzip.decompress(await response.read()) == (await raw.file(url)).body
