"""A small server in front of a fake API, that breaks in one way."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import attrs

from benchmarks.fake import Api

SILENCE = "silence"
"""Submits are taken, and never answered."""
REFUSAL = "refusal"
"""The second look gets a plain 503."""
DROP = "drop"
"""The second look gets no answer, and the connection is closed."""
NEWS = "news"
"""The second look finds a status that nobody has heard of."""
NOTHING = "nothing"
"""All is well."""

_STRUCK = 2
_NEW_STATUS = b'"pondering"'
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_PLAIN_503 = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n"


@attrs.define(eq=False)
class Server:
    """A server, and what it has been asked."""

    _api: Api
    _trouble: str
    _running: bytes
    """The status, in quotes, that a task has on the second look."""
    submits: int = attrs.field(init=False, default=0)
    looks: int = attrs.field(init=False, default=0)

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncGenerator[str]:
        """Serve during the body of `async with`, and name the URL."""
        server = await asyncio.start_server(self._converse, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()  # not waited for: who was never answered may hang on to it

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with (
            contextlib.closing(writer),
            contextlib.suppress(asyncio.IncompleteReadError, ConnectionError),
        ):
            while answer := await self._answer(reader):
                writer.write(answer)
                await writer.drain()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        """Read a request and return its answer, which is empty if there shall be none."""
        head = await reader.readuntil(b"\r\n\r\n")
        method, path, _ = head[: head.index(b"\r\n")].decode().split(" ")
        body = await reader.readexactly(_content_length(head))
        is_submit = method == "POST" and "fetch" not in path  # Google looks by POST too
        self.submits += is_submit
        self.looks += not is_submit
        if is_submit and self._trouble == SILENCE:
            await reader.read()  # until the client gives up
            return b""
        if not is_submit and self.looks == _STRUCK:
            return self._strike(method, path, body)
        return _with_length(_OK, self._api.answer(method, path, body))

    def _strike(self, method: str, path: str, body: bytes) -> bytes:
        if self._trouble == DROP:
            return b""
        if self._trouble == REFUSAL:
            return _with_length(_PLAIN_503, b"try again later")
        answer = self._api.answer(method, path, body)
        if self._trouble == NEWS:
            assert self._running in answer
            answer = answer.replace(self._running, _NEW_STATUS)
        return _with_length(_OK, answer)


def _with_length(head: bytes, body: bytes) -> bytes:
    return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)


def _content_length(head: bytes) -> int:
    start = head.lower().find(b"\r\ncontent-length:")
    return 0 if start < 0 else int(head[start + 17 :].split(b"\r\n", 1)[0])
