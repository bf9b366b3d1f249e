"""A very cheap HTTP server in a process of its own, so that the client is what is measured.

It speaks just enough HTTP/1.1: one request at a time on each keep-alive connection. The answers
come from an `Api`; each measured client has one.
"""

import asyncio
import contextlib
import itertools
import multiprocessing
from collections import Counter
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Protocol

import anyio.to_thread
import attrs

if TYPE_CHECKING:
    from multiprocessing.connection import Connection  # generic only for type checkers


class Api(Protocol):
    """The answers of a fake server."""

    def answer(self, method: str, path: str, body: bytes) -> bytes:
        """Return the JSON to send with status 200."""
        ...


@attrs.define(eq=False)
class VidgoApi:
    """Tasks that finish at their nth poll."""

    polls_to_finish: int
    _ids: "itertools.count[int]" = attrs.field(init=False, factory=itertools.count)
    _polls: Counter[str] = attrs.field(init=False, factory=Counter[str])

    def answer(self, method: str, path: str, body: bytes) -> bytes:  # noqa: ARG002 - the protocol's
        """Accept a task, or return the state of one."""
        if method == "POST":
            return task_json(f"task-unified-{next(self._ids):010d}-fake0000", "not_started")
        task_id = path.rpartition("/")[2]
        self._polls[task_id] += 1
        polls = self._polls[task_id]
        if polls < self.polls_to_finish:
            return task_json(task_id, "running", progress=100 * polls // self.polls_to_finish)
        del self._polls[task_id]
        return task_json(task_id, "finished", f"https://storage.example/{task_id}.mp4", 100)


def task_json(task_id: str, status: str, url: str | None = None, progress: int = 0) -> bytes:
    """Return the body of an answer about a task."""
    files = f'[{{"file_url":"{url}","file_type":"video"}}]' if url else "[]"
    return (
        f'{{"code":200,"data":{{"task_id":"{task_id}","status":"{status}","files":{files},'
        f'"created_time":"2026-01-02T03:04:05","progress":{progress},"error_message":null}}}}'
    ).encode()


@attrs.define(eq=False)
class FakeServer:
    """The handle of the server in this process."""

    url: str
    _pipe: "Connection[str, int]" = attrs.field(repr=False)

    def take_request_count(self) -> int:
        """Return the number of requests since the last call."""
        self._pipe.send("requests")
        return self._pipe.recv()


@contextlib.contextmanager
def serve(make_api: Callable[[], Api]) -> Generator[FakeServer]:
    """Run the server during the body of `with`; `make_api` has to be picklable."""
    context = multiprocessing.get_context("spawn")  # inherits nothing of this process
    pipe, child_pipe = context.Pipe()
    process = context.Process(target=_run_server, args=(child_pipe, make_api))
    process.start()
    child_pipe.close()
    try:
        yield FakeServer(f"http://127.0.0.1:{pipe.recv()}", pipe)
    finally:
        pipe.close()  # ends the server
        process.join()


# --- In the server process ------------------------------------------------------------------


def _run_server(pipe: "Connection[int, str]", make_api: Callable[[], Api]) -> None:
    with contextlib.suppress(KeyboardInterrupt):  # the parent process got it too
        asyncio.run(_serve(pipe, make_api()))


async def _serve(pipe: "Connection[int, str]", api: Api) -> None:
    received = Counter[str]()
    server = await asyncio.get_running_loop().create_server(
        lambda: _HttpProtocol(api, received), "127.0.0.1", 0, backlog=4096
    )
    pipe.send(server.sockets[0].getsockname()[1])
    with contextlib.suppress(EOFError, BrokenPipeError):  # the parent process closed the pipe
        while True:
            await anyio.to_thread.run_sync(pipe.recv)
            pipe.send(received.total())
            received.clear()


class _HttpProtocol(asyncio.Protocol):
    def __init__(self, api: Api, received: Counter[str]) -> None:
        self._api = api
        self._received = received
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head, rest = self._buffer[:end], self._buffer[end + 4 :]
            length = content_length(head)
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            method, path, _ = head[: head.index(b"\r\n")].decode().split(" ")
            self._received[method] += 1
            self._transport.write(respond(self._api.answer(method, path, rest[:length])))


def respond(body: bytes) -> bytes:
    """Return the HTTP response with this JSON."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


def content_length(head: bytes) -> int:
    """Return the length of a request's body, 0 if its head names none."""
    start = head.lower().find(b"\r\ncontent-length:")
    return 0 if start < 0 else int(head[start + 17 :].split(b"\r\n", 1)[0])
