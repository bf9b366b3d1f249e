"""One HTTP exchange with the API. Only this file and `_files/http.py` know aiohttp's client.

It sends once and never again: no redirect is followed and nothing is repeated, so that what
may be sent again is decided in one place, above. What fails becomes a `TransportError` that
knows whether the request may have reached the server, and that holds nothing secret.
"""

import asyncio
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from vidgo_async._api.body_stream import Body, Outflow
from vidgo_async._api.responses import Answer
from vidgo_async._core.errors import TransportError, TransportTimeoutError
from vidgo_async._core.secret import SecretText
from vidgo_async._core.version import __version__

Connector = aiohttp.BaseConnector

CONNECT_TIMEOUT = 10.0
"""Seconds to make a connection; short of any time allowed for the whole exchange."""
IDLE_CONNECTION = 4.0
"""Seconds until an idle connection is dropped; servers of this kind drop theirs at 5."""
SHORTEST_SECRET = 8
"""Characters from which on a secret is blotted out of answers."""
LIMITS = ("limit", "limit_per_host")
"""The limits that an aiohttp connector may have of its own; 0 is none."""
MAX_ANSWER = 8 * 1024 * 1024
"""Bytes; a larger answer is refused, not read."""


class Sending:
    """Follows one request: set as soon as it has a connection and may be on its way."""

    def __init__(self) -> None:
        self.started = False


async def _has_connection(_: object, context: Any, __: object) -> None:
    context.trace_request_ctx.started = True


def _trace() -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(_has_connection)
    trace.on_connection_reuseconn.append(_has_connection)
    return trace


class Transport:
    """HTTP to one API host."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        request_timeout: float,
        connector: Connector | None,
        proxy: str | None,
        trust_env: bool,
    ) -> None:
        self.base_url = base_url
        self._api_key = api_key
        self.request_timeout = request_timeout
        self._owns_connector = connector is None
        # No limit of its own: the throttle is the limit.
        self._connector = connector or aiohttp.TCPConnector(
            limit=0, keepalive_timeout=IDLE_CONNECTION
        )
        headers = {
            "Authorization": SecretText(f"Bearer {api_key}"),
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        self._api = _client(self._connector, headers)
        self._tracked = _client(self._connector, headers, _trace())
        self._api_url = URL(base_url)
        self._proxy = proxy
        # Read once: each look at the environment costs as much as a request.
        self._proxies = getproxies() if trust_env else {}
        self._api_proxy = self.proxy_for(self._api_url)
        # A total of aiohttp's would hide whether a connection was made, and it rounds up.
        self._timeout = aiohttp.ClientTimeout(
            connect=min(CONNECT_TIMEOUT, request_timeout / 2), ceil_threshold=math.inf
        )

    async def close(self) -> None:
        """Close all connections, unless the connector was lent."""
        for client in (self._api, self._tracked):
            await client.close()
        if self._owns_connector:
            await self._connector.close()

    def spare(self, requests: int) -> int:
        """Return how many downloads may run beside that many requests."""
        limits: list[int] = [getattr(self._connector, name) for name in LIMITS]
        room = [limit - requests for limit in limits if limit > 0]
        # A lent connector may have no room left; one download at a time is always made.
        return max(1, min([requests, *room]))

    async def exchange(
        self,
        method: str,
        path: str,
        *,
        scope: asyncio.Timeout,
        body: bytes | Body | None = None,
        secret: str | None = None,
        sending: Sending | None = None,
    ) -> Answer:
        """Send one request to the API, once, and read the answer.

        Args:
            method: The HTTP method.
            path: The path below the base URL, already percent-encoded.
            scope: Bounds the whole exchange; not entered yet.
            body: JSON to send; or a body in pieces, of which none may take longer than
                `request_timeout`, nor the answer after the last.
            secret: What is in the body and must not show, should the server repeat it.
            sending: Set once the request may be on its way.

        Raises:
            TransportTimeoutError: No answer in time.
            TransportError: No usable answer.
        """
        # Building it from a parsed URL takes a third of the time of parsing.
        url = self._api_url.with_path(self._api_url.raw_path.rstrip("/") + path, encoded=True)
        client = self._api if sending is None else self._tracked
        began = asyncio.get_running_loop().time()
        begun: aiohttp.ClientResponse | None = None
        received = bytearray()
        failure: TransportError | None = None
        outflow = None
        if body is not None and not isinstance(body, bytes):
            outflow = Outflow(body, scope, self.request_timeout)
        try:
            async with (
                scope,
                client.request(
                    method,
                    url,
                    data=body if outflow is None else outflow,
                    headers=None if outflow is None else outflow.headers,
                    allow_redirects=False,
                    proxy=self._api_proxy,
                    timeout=self._timeout,
                    trace_request_ctx=sending,
                ) as response,
            ):
                begun = response
                await _read(response, received)
                if outflow is not None and not outflow.ended:
                    response.close()  # answered before it was sent: the rest would be for nothing
        except Exception as error:  # noqa: BLE001 - whatever it was, a task may exist
            waited = asyncio.get_running_loop().time() - began
            failure = self.explain(error, waited, sending)
        # Raised outside of the `except` block, so that aiohttp's own exception, which holds the
        # request's headers, does not become the context of ours.
        if begun is None:
            raise failure or TransportError("no answer")
        answer = Answer(begun.status, begun.headers, self._without_secrets(received, secret))
        # A refusal is clear without its body; anything else has to be whole.
        if failure is not None and answer.status < HTTPStatus.BAD_REQUEST:
            failure.status, failure.body = answer.status, answer.text
            raise failure
        return answer

    def keyless(self, **options: Any) -> aiohttp.ClientSession:
        """Return a client for other hosts: of the same connections, but it knows no key."""
        return _client(self._connector, {}, **options)

    def proxy_for(self, url: URL) -> str | None:
        """Return the proxy on the way to an address, or None."""
        if self._proxy is not None or not self._proxies:
            return self._proxy
        return None if proxy_bypass(url.host or "") else self._proxies.get(url.scheme)

    def _without_secrets(self, body: bytes | bytearray, secret: str | None = None) -> bytes:
        """Blot out secrets where a server repeats them, before any error can hold them."""
        for hidden in (self._api_key, secret):
            # A short key is a test's, and may well be part of a word of the answer.
            if hidden is not None and len(hidden) >= SHORTEST_SECRET:
                body = body.replace(hidden.encode(), b"[secret]")
        return bytes(body)

    def explain(self, error: Exception, waited: float, sending: Sending | None) -> TransportError:
        """Word a failure without anything of the request in it."""
        reason = self._without_secrets(_words(error).encode()).decode()
        sent = sending is None or sending.started
        if isinstance(error, TimeoutError):
            what = f"no answer within {waited:.3g} s" if sent else "no connection in time"
            failure: TransportError = TransportTimeoutError(what, sent)
        else:
            temporary = not isinstance(error, aiohttp.ClientSSLError) and not (
                isinstance(error, aiohttp.ClientHttpProxyError)
                and error.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
            )
            failure = TransportError(f"no usable answer: {reason}", sent, temporary)
        if isinstance(error, OSError) and error.errno:
            failure.__cause__ = OSError(error.errno, error.strerror)
        return failure


def check_connector(connector: object, at_least: int) -> None:
    """Refuse a lent connector that would hold requests back where the throttle cannot see it.

    Raises:
        TypeError: It is not an aiohttp connector.
        ValueError: Its own limit is below the session's.
    """
    if connector is None:
        return
    if not isinstance(connector, Connector):
        msg = f"connector must be an aiohttp connector, not {type(connector).__name__}"
        raise TypeError(msg)
    for name in LIMITS:
        if 0 < getattr(connector, name) < at_least:
            msg = (
                f"the connector's {name} is {getattr(connector, name)}, below "
                f"max_concurrent_requests={at_least}; raise one or lower the other"
            )
            raise ValueError(msg)


def _client(
    connector: Connector | None,
    headers: Mapping[str, str],
    *traces: aiohttp.TraceConfig,
    **options: Any,
) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        headers={"User-Agent": f"vidgo_async/{__version__}", **headers},
        connector=connector,
        connector_owner=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=list(traces),
        **options,
    )


def _words(error: Exception) -> str:
    """Say what happened; aiohttp's own words may hold a proxy's address with its password."""
    kind = type(error).__name__
    if isinstance(error, aiohttp.ClientResponseError):
        return f"{kind}: {error.status}"
    return f"{kind}: {error}"


async def _read(response: aiohttp.ClientResponse, body: bytearray) -> None:
    while not response.content.at_eof():
        body += await response.content.readany()
        if len(body) > MAX_ANSWER:
            msg = f"the answer is larger than {MAX_ANSWER} bytes"
            raise ValueError(msg)
