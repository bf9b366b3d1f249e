"""HTTP to the hosts of files: never with the key, not even after a redirect."""

import math
from collections.abc import Mapping

import aiohttp
from yarl import URL

from vidgo_async._api.http_headers import Headers
from vidgo_async._api.transport import CONNECT_TIMEOUT, Transport
from vidgo_async._core.concurrency import now
from vidgo_async._core.errors import TransportError, TransportTimeoutError

STALL_TIMEOUT = 60.0
"""Seconds without a byte after which a transfer counts as stalled."""
READ_BUFFER = 1024 * 1024
"""Bytes received ahead of the reader; aiohttp pauses the connection at twice as many."""
FINAL = (aiohttp.ClientSSLError, aiohttp.TooManyRedirects, ValueError)
"""Failures that another try would only repeat; a bad address is a `ValueError`."""


class FileResponse:
    """A host's response to the request for a file."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

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

    async def read(self) -> bytes:
        """Return the next bytes; none at the end.

        Raises:
            TransportTimeoutError: No byte came for a minute.
            TransportError: The transfer was cut.
        """
        try:
            return await self._response.content.readany()
        except TimeoutError:
            failure: TransportError = TransportTimeoutError(f"nothing came for {STALL_TIMEOUT:g} s")
        except Exception as error:  # noqa: BLE001 - aiohttp's errors have no common base
            failure = TransportError(f"the transfer was cut: {type(error).__name__}")
        raise failure

    def close(self) -> None:
        """Close the connection, unless all was read."""
        self._response.close()


class FileHosts:
    """HTTP to any host but the API's, over the session's connections."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._client = transport.new_client(read_bufsize=READ_BUFFER)
        self._timeout = aiohttp.ClientTimeout(
            connect=min(CONNECT_TIMEOUT, transport.request_timeout / 2),
            sock_read=STALL_TIMEOUT,
            ceil_threshold=math.inf,
        )

    async def close(self) -> None:
        """Close the client; the connections are the transport's."""
        await self._client.close()

    async def get(self, url: str, headers: Mapping[str, str]) -> FileResponse:
        """Request a file, once; fewer than ten redirects are followed.

        Raises:
            TransportError: No host answered; `temporary` tells whether another try may help.
        """
        started_at = now()
        try:
            # An address that is already encoded is sent as it is: it may be signed.
            target = URL(url, encoded=url.isascii() and " " not in url)
            return FileResponse(
                await self._client.get(
                    target,
                    headers=headers,
                    proxy=self._transport.proxy_for(target),
                    timeout=self._timeout,
                )
            )
        except Exception as error:  # noqa: BLE001 - aiohttp's errors have no common base
            failure = self._transport.to_transport_error(error, now() - started_at, None)
            failure.temporary = failure.temporary and not isinstance(error, FINAL)
        raise failure
