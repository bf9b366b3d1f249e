"""A server that costs next to nothing, in a process of its own: what is measured is the client.

It speaks just enough HTTP/1.1 for one request at a time on a connection that stays open. What it
answers is up to an `Api`, of which there is one for each client that is measured.
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
    """What a fake answers."""

    def answer(self, method: str, path: str, body: bytes) -> bytes:
        """Return the JSON to send with status 200."""
        ...


@attrs.define(eq=False)
class VidgoApi:
    """Tasks that are finished when they have been looked at so many times."""

    looks: int
    _ids: "itertools.count[int]" = attrs.field(init=False, factory=itertools.count)
    _seen: Counter[str] = attrs.field(init=False, factory=Counter[str])

    def answer(self, method: str, path: str, body: bytes) -> bytes:  # noqa: ARG002 - the protocol's
        """Sell a task, or tell how far one is."""
        if method == "POST":
            return _task(f"task-unified-{next(self._ids):010d}-fake0000", "not_started")
        task_id = path.rpartition("/")[2]
        self._seen[task_id] += 1
        looks = self._seen[task_id]
        if looks < self.looks:
            return _task(task_id, "running", progress=100 * looks // self.looks)
        del self._seen[task_id]
        return _task(task_id, "finished", f"https://storage.example/{task_id}.mp4", 100)


def _task(task_id: str, status: str, url: str | None = None, progress: int = 0) -> bytes:
    files = f'[{{"file_url":"{url}","file_type":"video"}}]' if url else "[]"
    return (
        f'{{"code":200,"data":{{"task_id":"{task_id}","status":"{status}","files":{files},'
        f'"created_time":"2026-01-02T03:04:05","progress":{progress},"error_message":null}}}}'
    ).encode()


@attrs.define(eq=False)
class Fake:
    """The server as this process sees it."""

    url: str
    _line: "Connection[str, int]" = attrs.field(repr=False)

    def requests(self) -> int:
        """Return how many requests came since this was last asked."""
        self._line.send("requests")
        return self._line.recv()


@contextlib.contextmanager
def served(make_api: Callable[[], Api]) -> Generator[Fake]:
    """Run the server during the body of `with`; `make_api` has to be picklable."""
    context = multiprocessing.get_context("spawn")  # nothing of this process is in it
    line, its_line = context.Pipe()
    process = context.Process(target=_process, args=(its_line, make_api))
    process.start()
    its_line.close()
    try:
        yield Fake(f"http://127.0.0.1:{line.recv()}", line)
    finally:
        line.close()  # which ends it too
        process.join()


# --- In its process -------------------------------------------------------------------------


def _process(line: "Connection[int, str]", make_api: Callable[[], Api]) -> None:
    with contextlib.suppress(KeyboardInterrupt):  # the one who started it got it too
        asyncio.run(_serve(line, make_api()))


async def _serve(line: "Connection[int, str]", api: Api) -> None:
    received = Counter[str]()
    server = await asyncio.get_running_loop().create_server(
        lambda: _Conversation(api, received), "127.0.0.1", 0, backlog=4096
    )
    line.send(server.sockets[0].getsockname()[1])
    with contextlib.suppress(EOFError, BrokenPipeError):  # nobody wants to know any more
        while True:
            await anyio.to_thread.run_sync(line.recv)
            line.send(received.total())
            received.clear()


class _Conversation(asyncio.Protocol):
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
            length = _content_length(head)
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            method, path, _ = head[: head.index(b"\r\n")].decode().split(" ")
            self._received[method] += 1
            body = self._api.answer(method, path, rest[:length])
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
            )


def _content_length(head: bytes) -> int:
    start = head.lower().find(b"\r\ncontent-length:")
    return 0 if start < 0 else int(head[start + 17 :].split(b"\r\n", 1)[0])
