"""A small server in front of a fake API, with one fault."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import attrs

from benchmarks.fake_server import Api, content_length

NO_FAULT = "no fault"
UNANSWERED_SUBMITS = "unanswered submits"
"""Submits are received, and never answered."""
PLAIN_503 = "plain 503"
"""The second poll gets a plain 503."""
DROPPED_CONNECTION = "dropped connection"
"""The second poll gets no answer, and the connection is closed."""
UNKNOWN_STATUS = "unknown status"
"""The second poll gets a status that the client does not know."""

_FAULTY_POLL = 2
_NEW_STATUS = b'"pondering"'
_OK_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_503_HEAD = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n"


@attrs.define(eq=False)
class FaultyServer:
    """A server, and the numbers of requests that it got."""

    _api: Api
    _fault: str
    _running: bytes
    """The status, in quotes, of a task at the second poll."""
    submits: int = attrs.field(init=False, default=0)
    polls: int = attrs.field(init=False, default=0)

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncGenerator[str]:
        """Serve during the body of `async with`, and give the URL."""
        server = await asyncio.start_server(self._handle_connection, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()  # not waited for: an unanswered client may keep its connection

    async def _handle_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with (
            contextlib.closing(writer),
            contextlib.suppress(asyncio.IncompleteReadError, ConnectionError),
        ):
            while response := await self._respond(reader):
                writer.write(response)
                await writer.drain()

    async def _respond(self, reader: asyncio.StreamReader) -> bytes:
        """Read a request and return the response, which is empty if there is to be none."""
        head = await reader.readuntil(b"\r\n\r\n")
        method, path, _ = head[: head.index(b"\r\n")].decode().split(" ")
        body = await reader.readexactly(content_length(head))
        is_submit = method == "POST" and "fetch" not in path  # Google polls by POST too
        self.submits += is_submit
        self.polls += not is_submit
        if is_submit and self._fault == UNANSWERED_SUBMITS:
            await reader.read()  # until the client gives up
            return b""
        if not is_submit and self.polls == _FAULTY_POLL:
            return self._faulty_response(method, path, body)
        return _response(_OK_HEAD, self._api.answer(method, path, body))

    def _faulty_response(self, method: str, path: str, body: bytes) -> bytes:
        if self._fault == DROPPED_CONNECTION:
            return b""
        if self._fault == PLAIN_503:
            return _response(_503_HEAD, b"try again later")
        answer = self._api.answer(method, path, body)
        if self._fault == UNKNOWN_STATUS:
            assert self._running in answer
            answer = answer.replace(self._running, _NEW_STATUS)
        return _response(_OK_HEAD, answer)


def _response(head: bytes, body: bytes) -> bytes:
    return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)
