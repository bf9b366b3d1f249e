"""HTTP to the hosts of files: never with the key, not even after a redirect."""

import math
import zlib
from collections import deque
from collections.abc import Iterator, Mapping

import aiohttp
import anyio
from yarl import URL

from vidgo_async._api.http_headers import Headers
from vidgo_async._api.transport import CONNECT_TIMEOUT, Transport
from vidgo_async._core.concurrency import now
from vidgo_async._core.errors import TransportError, TransportTimeoutError
from vidgo_async._files.decoding import decompressor
from vidgo_async._files.links import parse_link, redirect_target
from vidgo_async._files.range_headers import content_encoding

STALL_TIMEOUT = 60.0
"""Seconds without a byte after which a transfer counts as stalled."""
READ_BUFFER = 1024 * 1024
"""Bytes received ahead of the reader; aiohttp pauses the connection at twice as many."""
MAX_REDIRECTS = 10
REDIRECTS = frozenset({301, 302, 303, 307, 308})
PAGE = 4096
"""Bytes of a page that are read for a message."""
PAGE_TIMEOUT = 5.0
"""Seconds to read them."""


class FileResponse:
    """A host's response to the request for a file."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._encoding = content_encoding(response.headers)
        self._decompressor = decompressor(self._encoding)
        self._pieces: Iterator[bytes] = iter(())
        """What is decompressed of the bytes received last."""
        self._peeked = deque[bytes]()
        self._failure: TransportError | None = None
        """What broke the transfer off while it was peeked into."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._response.status

    @property
    def headers(self) -> Headers:
        """The HTTP headers."""
        return self._response.headers

    @property
    def length(self) -> int | None:
        """Bytes of the body as it is sent; None where the server did not say."""
        return self._response.content_length

    @property
    def is_empty(self) -> bool:
        """Whether the whole body was peeked into, and has no byte."""
        return not self._peeked and self._failure is None

    async def peek(self, size: int) -> bytes:
        """Return the first bytes, which `read` returns again; fewer only where no more come."""
        while self._failure is None and sum(map(len, self._peeked)) < size:
            try:
                chunk = await self._receive()
            except TransportError as error:
                self._failure = error
            else:
                if not chunk:
                    break
                self._peeked.append(chunk)
        return b"".join(self._peeked)[:size]

    async def page(self) -> bytes:
        """Return the beginning of a body that is no file."""
        with anyio.move_on_after(PAGE_TIMEOUT):
            return await self.peek(PAGE)
        return b"".join(self._peeked)[:PAGE]

    async def read(self) -> bytes:
        """Return the next bytes; none at the end.

        Raises:
            TransportTimeoutError: No byte came for a minute.
            TransportError: The transfer was cut, or is compressed in a way that is not known.
        """
        if self._peeked:
            return self._peeked.popleft()
        if self._failure is not None:
            raise self._failure
        return await self._receive()

    def close(self) -> None:
        """Close the connection, unless all was read."""
        self._response.close()

    async def _receive(self) -> bytes:
        """Return the next bytes of the file, decompressed."""
        if not self._encoding:
            return await self._receive_raw()
        if self._decompressor is None:
            msg = f"the host sent it compressed ({self._encoding}), which was not asked for"
            raise TransportError(msg)
        try:
            while not (piece := next(self._pieces, b"")):
                chunk = await self._receive_raw()
                if not chunk:
                    break
                self._pieces = self._decompressor.feed(chunk)
        except zlib.error as error:
            msg = f"the compressed body is broken: {error}"
            raise TransportError(msg) from None
        if not piece and not self._decompressor.complete:
            msg = "the transfer was cut: the end of the compressed body is missing"
            raise TransportError(msg)
        return piece

    async def _receive_raw(self) -> bytes:
        try:
            return await self._response.content.readany()
        except TimeoutError:
            failure: TransportError = TransportTimeoutError(f"nothing came for {STALL_TIMEOUT:g} s")
        except Exception as error:  # noqa: BLE001 - aiohttp's errors have no common base
            failure = TransportError(f"the transfer was cut: {type(error).__name__}")
        raise failure


class FileHosts:
    """HTTP to any host but the API's, over the session's connections."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._client = transport.new_client(read_bufsize=READ_BUFFER, auto_decompress=False)
        self._timeout = aiohttp.ClientTimeout(
            connect=min(CONNECT_TIMEOUT, transport.request_timeout / 2),
            sock_read=STALL_TIMEOUT,
            ceil_threshold=math.inf,
        )

    async def close(self) -> None:
        """Close the client; the connections are the transport's."""
        await self._client.close()

    async def get(self, link: str, headers: Mapping[str, str]) -> FileResponse:
        """Request a file, once; at most ten redirects are followed, their targets as given.

        Raises:
            TransportError: No host answered; `temporary` tells whether another try may help.
        """
        started_at = now()
        try:
            target = parse_link(link)
            for _ in range(MAX_REDIRECTS + 1):
                response = await self._request(target, headers)
                location = response.headers.get("Location", "")
                if response.status not in REDIRECTS or not location:
                    return FileResponse(response)
                response.release()
                target = redirect_target(target, location)
            failure = TransportError(f"more than {MAX_REDIRECTS} redirects", temporary=False)
        except ValueError as error:  # aiohttp's error of a bad address is one too
            failure = TransportError(f"the address cannot work: {error}", temporary=False)
        except Exception as error:  # noqa: BLE001 - aiohttp's errors have no common base
            failure = self._transport.to_transport_error(error, now() - started_at, None)
        raise failure

    async def _request(self, target: URL, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        # aiohttp would quote the target of a redirect anew, and break its signature.
        return await self._client.get(
            target,
            headers=headers,
            proxy=self._transport.proxy_for(target),
            timeout=self._timeout,
            allow_redirects=False,
        )
