"""HTTP to the hosts that files live on: without the key, wherever they redirect to."""

import asyncio
import math
from collections.abc import Mapping

import aiohttp
from yarl import URL

from vidgo_async._api.transport import CONNECT_TIMEOUT, Transport
from vidgo_async._core.errors import TransportError, TransportTimeoutError

STALL_TIMEOUT = 60.0
"""Seconds without a byte after which a transfer counts as stalled."""
BUFFER = 1024 * 1024
"""Bytes that are received ahead of what is read, and twice that at most."""
HOPELESS = (aiohttp.ClientSSLError, aiohttp.TooManyRedirects, ValueError)
"""Failures that another try would only repeat; a bad address is a `ValueError`."""


class Stream:
    """A file on its way."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The HTTP headers, looked up without regard to case."""
        return self._response.headers

    @property
    def length(self) -> int | None:
        """Bytes of the body as it is sent, where the server said."""
        return self._response.content_length

    async def read(self) -> bytes:
        """Return the next bytes; none at the end.

        Raises:
            TransportTimeoutError: Nothing came for a minute.
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
        """Let go of the connection."""
        self._response.close()


class FileHosts:
    """HTTP to any host but the API's, over the session's connections."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._client = transport.new_client(read_bufsize=BUFFER)
        self._timeout = aiohttp.ClientTimeout(
            connect=min(CONNECT_TIMEOUT, transport.request_timeout / 2),
            sock_read=STALL_TIMEOUT,
            ceil_threshold=math.inf,
        )

    async def close(self) -> None:
        """Let go of everything but the connections, which are the transport's."""
        await self._client.close()

    async def open(self, url: str, headers: Mapping[str, str]) -> Stream:
        """Ask for a file, once; redirects are followed, fewer than ten.

        Raises:
            TransportError: No host answered; `temporary` tells whether another try may help.
        """
        began = asyncio.get_running_loop().time()
        try:
            # An address that is already encoded is sent as it is: it may be signed.
            target = URL(url, encoded=url.isascii() and " " not in url)
            return Stream(
                await self._client.get(
                    target,
                    headers=headers,
                    proxy=self._transport.proxy_for(target),
                    timeout=self._timeout,
                )
            )
        except Exception as error:  # noqa: BLE001 - aiohttp's errors have no common base
            waited = asyncio.get_running_loop().time() - began
            failure = self._transport.to_transport_error(error, waited, None)
            failure.temporary = failure.temporary and not isinstance(error, HOPELESS)
        raise failure
