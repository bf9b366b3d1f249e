"""Bodies of megabytes: they arrive whole, are refused early, and leave the loop alone."""

import asyncio
import json
import threading
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.raw_server import RawConnection, raw_server
from tests.support.sessions import FOX, open_session
from vidgo_async import (
    GenerationRequest,
    InvalidRequestError,
    SubmissionUnknownError,
    Task,
    TransportError,
    VidgoSession,
)
from vidgo_async._core.concurrency import LARGE
from vidgo_async._generation import submit_body as encoding
from vidgo_async._generation.submit_body import submit_body
from vidgo_async.requests import PreparedRequest
from vidgo_async.sandbox import Sandbox, answer

NOTE = {
    "note": "a fox, ein Füchslein, 狐, 🦊 " * (LARGE // 8),
    "shots": [{"text": '"\\\n'}, None, 5],
}
REQUEST = GenerationRequest("any", NOTE)
SALE = {"code": 200, "data": {"task_id": "task-1", "status": "not_started"}}


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[threading.Thread]:
    """Record in which threads `json` encodes and decodes."""
    used = list[threading.Thread]()
    dumps, decode = encoding._dumps, json.JSONDecoder.decode

    def noted_dumps(value: Any) -> str:
        used.append(threading.current_thread())
        return dumps(value)

    monkeypatch.setattr(encoding, "_dumps", noted_dumps)
    monkeypatch.setattr("vidgo_async._api.responses._decode", _noted(used, decode))
    return used


def _noted(used: list[threading.Thread], decode: Any) -> Any:
    def decoded(text: str) -> Any:
        used.append(threading.current_thread())
        return decode(json.JSONDecoder(), text)

    return decoded


@pytest.mark.parametrize(
    "value",
    [
        [0.123456789] * (LARGE // 8),
        ["x"] * (LARGE // 8),
        {f"a key of some length {number}": None for number in range(LARGE // 20)},
    ],
    ids=["numbers", "texts", "keys"],
)
def test_what_makes_an_input_large(value: object) -> None:
    """Whatever its megabytes consist of, they leave the loop."""
    request = GenerationRequest("any", {"points": value})
    assert PreparedRequest(request).is_large
    body = submit_body(PreparedRequest(request), (), None).body
    assert json.loads(body) == {"model": "any", "input": {"points": value}}


async def test_a_large_input_is_encoded_in_a_thread(threads: list[threading.Thread]) -> None:
    """The server gets what a short one would be, and the loop never encodes it."""
    received = list[bytes]()

    async def sell(connection: RawConnection, _: int) -> None:
        received.append(await connection.read_request())
        await connection.answer(SALE)

    async with raw_server(sell) as url, _session(url) as vidgo:
        task = await vidgo.submit(REQUEST)
        assert task.task_id == "task-1"
        main = threading.current_thread()
        assert len(threads) > 2
        assert threads.count(main) == 1  # the answer, which is short
    (request,) = received
    assert json.loads(request.partition(b"\r\n\r\n")[2]) == {"model": "any", "input": NOTE}


def _session(url: str) -> VidgoSession:
    return VidgoSession("a-key-for-tests", base_url=url)


async def test_a_short_input_needs_no_thread(threads: list[threading.Thread]) -> None:
    """A thread would cost more than it spares."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        await vidgo.submit(FOX)
    assert set(threads) == {threading.current_thread()}


KEYS = st.text() | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
    max_leaves=20,
)


@given(JSON)
def test_slices_make_the_same_json(value: Any) -> None:
    """Whatever is in it, and wherever it is cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "SLICE", 2)
        assert encoding._encode_in_slices(value) == json.dumps(value)


@pytest.mark.parametrize(
    "value", [NOTE, {"image_urls": ("a" * LARGE, "b")}, {"\ud800": "\udc00" * LARGE}]
)
def test_the_body_is_that_of_json(value: dict[str, Any]) -> None:
    """Large or not, what is sent is `json.dumps` of it."""
    prepared = PreparedRequest(GenerationRequest("any", value))
    assert prepared.is_large
    sent = submit_body(prepared, (), "https://a.example")
    whole = {"model": "any", "callback_url": "https://a.example", "input": value}
    assert sent.body == json.dumps(whole).encode()


async def test_a_caller_who_leaves_while_it_is_encoded_buys_nothing() -> None:
    """A thread cannot be stopped; what it made is not sent."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        caller = asyncio.create_task(vidgo.submit(REQUEST))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await anyio.sleep(0.1)
        assert not sandbox.received["submit"]
        assert not vidgo.unclaimed


async def test_a_refusal_that_comes_before_the_body_was_sent() -> None:
    """The refusal counts, and that connection is used for nothing else."""
    connections = list[int]()

    async def refuse(connection: RawConnection, number: int) -> None:
        connections.append(number)
        if number == 0:
            await connection.read(1000)
            await connection.answer({"detail": "too large"}, HEAD_413)
        else:
            await connection.read_request()
            await connection.answer(SALE)

    async with raw_server(refuse) as url, _session(url) as vidgo:
        large = GenerationRequest("any", {"note": "x" * (16 * LARGE)})
        with pytest.raises(InvalidRequestError, match="too large"):
            await vidgo.submit(large)
        assert (await vidgo.submit(FOX)).task_id == "task-1"
    assert connections == [0, 1]


HEAD_413 = b"HTTP/1.1 413 Too Large\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


async def test_a_line_that_breaks_in_the_middle_of_a_body() -> None:
    """A part of it was sent, so the outcome is unknown."""

    async def read_some(connection: RawConnection, _: int) -> None:
        await connection.read(1000)
        connection.reset()

    async with raw_server(read_some) as url, _session(url) as vidgo:
        with pytest.raises(SubmissionUnknownError):
            await vidgo.submit(GenerationRequest("any", {"note": "x" * (16 * LARGE)}))


async def test_a_large_sale_is_read_in_a_thread(threads: list[threading.Thread]) -> None:
    """It is bought, however much else the server sends."""
    sale = {"code": 200, "data": {"task_id": "task-1", "notes": ["fox"] * (LARGE // 4)}}
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(answer(200, sale), call="submit")
        task = await vidgo.submit(FOX)
    assert isinstance(task, Task)
    assert task.task_id == "task-1"
    assert threads[0] is threading.current_thread()  # the request
    assert threads[1] is not threading.current_thread()


@pytest.mark.parametrize("status", [200, 500])
async def test_an_absurd_status_is_not_read_to_its_end(
    status: int, threads: list[threading.Thread]
) -> None:
    """A poll of more than 256 KiB fails, and costs no time to decode."""
    files = [{"file_url": "https://a.example/fox.mp4", "file_type": "video"}] * 13_000
    task = {"code": 200, "data": {"task_id": "task-1", "status": "finished", "files": files}}
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(answer(status, task), call="status")
        with pytest.raises(
            Exception, match=r"larger than 262144 bytes|Internal Server Error"
        ) as caught:
            await vidgo.get_task("task-1")
        assert isinstance(caught.value, TransportError) is (status == 200)
        assert caught.value.task_id == "task-1"  # type: ignore[attr-defined]  # all errors have it
    assert len(threads) == (status == 500)
