"""One HTTP exchange with the API. Only this wing and `_files/http.py` know aiohttp's client.

A request is sent once: no redirect is followed and nothing is repeated, so that one place above
decides what may be sent again. Any failure becomes a `TransportError`, which knows whether the
request may have reached the server and holds nothing secret.
"""

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import aiohttp
import attrs
from yarl import URL

from vidgo_async._api.body_stream import Body, BodyStream
from vidgo_async._api.proxies import Proxies
from vidgo_async._api.responses import Response
from vidgo_async._api.send_state import SendState, WatchedBody, trace_connections
from vidgo_async._api.transport_errors import describe, to_transport_error
from vidgo_async._core.concurrency import now
from vidgo_async._core.deadlines import Deadline, SharedTimer
from vidgo_async._core.errors import TransportError
from vidgo_async._core.secret import SecretText
from vidgo_async._core.version import __version__

Connector = aiohttp.BaseConnector

CONNECT_TIMEOUT = 10.0
"""Seconds to make a connection; short of any time allowed for the whole exchange."""
IDLE_TIMEOUT = 4.0
"""Seconds until an idle connection is dropped; servers of this kind drop theirs at 5."""
MIN_SECRET_LENGTH = 8
"""Characters from which on a secret is removed from response bodies."""
MAX_TRANSFERS = 16
"""File transfers at a time: more would only share the same line."""
CONNECTOR_LIMITS = ("limit", "limit_per_host")
"""The limits that an aiohttp connector may have of its own; 0 is none."""
MAX_BODY = 8 * 1024 * 1024
"""Bytes; a larger response to a POST, which may have bought something, is refused, not read."""
MAX_POLL_BODY = 256 * 1024
"""Bytes; the same for a GET, whose response has a few hundred."""
MAX_HEADER = 64 * 1024
"""Bytes of one header, or of the status line; a paid response is not lost for a long policy."""
MAX_HEADERS = 1024
"""Headers of one response."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class TransportSettings:
    """Where the API is, and how it is reached."""

    base_url: str
    api_key: str
    request_timeout: float
    """Seconds for one exchange."""
    connector: Connector | None
    """The user's connector, which is not closed; None for one of our own."""
    proxy: str | None
    trust_env: bool
    """Whether the proxy variables of the environment apply."""


@attrs.define(eq=False, repr=False)
class Post:
    """What is sent with a POST."""

    body: bytes | Body
    """JSON; or a body in chunks, of which none may take longer than `request_timeout`, nor the
    response after the last."""
    state: SendState
    """Told how far the request came."""
    secret: str | None = None
    """What is in the body and must not show, should the server repeat it."""


class Transport:
    """HTTP to one API host."""

    def __init__(self, settings: TransportSettings) -> None:
        self.request_timeout: float = settings.request_timeout
        self.timer: SharedTimer = SharedTimer()
        """That of all deadlines of requests and downloads."""
        self._hidden = _hidden(settings.api_key)
        """What is removed from response bodies."""
        self._base_url = URL(settings.base_url)
        self._base_path = self._base_url.raw_path.rstrip("/")
        self._proxies = Proxies(settings.proxy, trust_env=settings.trust_env)
        self._api_proxy = self.proxy_for(self._base_url)  # before anything has to be closed
        # Through a tunnel a proxy cannot answer in the API's name.
        self._is_proxied = self._api_proxy is not None and self._base_url.scheme == "http"
        self._owns_connector = settings.connector is None
        # No limit of its own: the limiter is the limit.
        self._connector = settings.connector or aiohttp.TCPConnector(
            limit=0, keepalive_timeout=IDLE_TIMEOUT
        )
        headers = {
            "Authorization": SecretText(f"Bearer {settings.api_key}"),
            "Accept": "application/json",
        }
        self._getting = _new_client(self._connector, headers)
        headers["Content-Type"] = "application/json"
        self._posting = _new_client(self._connector, headers, trace_connections())
        # A total of aiohttp's would hide whether a connection was made, and it rounds up.
        timeout = aiohttp.ClientTimeout(
            connect=min(CONNECT_TIMEOUT, settings.request_timeout / 2), ceil_threshold=math.inf
        )
        self._options: dict[str, Any] = {
            "allow_redirects": False,
            "proxy": self._api_proxy,
            "timeout": timeout,
        }

    async def close(self) -> None:
        """Close all connections, unless the connector was lent."""
        self.timer.close()
        for client in (self._getting, self._posting):
            await client.close()
        if self._owns_connector:
            await self._connector.close()

    def free_connections(self, requests: int) -> int:
        """Return how many connections file transfers may use beside that many requests."""
        limits: list[int] = [getattr(self._connector, name) for name in CONNECTOR_LIMITS]
        free = [limit - requests for limit in limits if limit > 0]
        # A lent connector may have none left; one transfer at a time is always made.
        return max(1, min([MAX_TRANSFERS, requests, *free]))

    async def exchange(self, path: str, *, timeout: float, post: Post | None = None) -> Response:
        """Send one request to the API, once, and read the response.

        Args:
            path: The path below the base URL, already percent-encoded.
            timeout: Seconds for the whole exchange.
            post: What to send with a POST; without it, this is a GET.

        Raises:
            TransportTimeoutError: No response in time.
            TransportError: No usable response.
        """
        # Building it from a parsed URL takes a third of the time of parsing.
        url = self._base_url.with_path(self._base_path + path, encoded=True)
        scope = Deadline(timeout, self.timer)
        head: aiohttp.ClientResponse | None = None
        received = list[bytes]()
        failure: TransportError | None = None
        is_sent = False
        try:
            # Not `async with` a response, whose end costs a twentieth of an exchange.
            with scope:
                if post is None:
                    head = await self._getting.get(url, **self._options)
                    await _read(head, received, MAX_POLL_BODY)
                    is_sent = True
                else:
                    body, headers = self._outgoing(post, scope)
                    head = await self._posting.post(
                        url,
                        data=body,
                        headers=headers,
                        trace_request_ctx=post.state,
                        **self._options,
                    )
                    if post.state.written:
                        await _read(head, received, MAX_BODY)
                    is_sent = body.complete
        except Exception as error:  # noqa: BLE001 - whatever it was, a task may exist
            state = None if post is None else post.state
            failure = self.to_transport_error(error, now() - scope.began_at, state)
        finally:
            # Read and sent to their ends, connections are back in the pool by now.
            if head is not None and not (is_sent and head.content.at_eof()):
                head.close()
        # Raised outside of the `except` block, so that aiohttp's own exception, which holds the
        # request's headers, does not become the context of ours.
        if head is None:
            raise failure or TransportError("no response")
        secret = None
        if post is not None:
            _check_written(post.state, head.status)
            secret = post.secret
        text = self._without_secrets(b"".join(received), secret)
        response = Response(head.status, head.headers, text, self._is_proxied)
        # A refusal is clear without its body; anything else has to be whole.
        if failure is not None and response.status < HTTPStatus.BAD_REQUEST:
            failure.status, failure.body = response.status, response.text
            raise failure
        return response

    def new_client(self, **options: Any) -> aiohttp.ClientSession:
        """Return a client for other hosts: on the same connections, but without the key."""
        return _new_client(self._connector, {}, **options)

    def proxy_for(self, url: URL) -> str | None:
        """Return the proxy on the way to an address, or None.

        Raises:
            ValueError: The environment names one that cannot be used.
        """
        return self._proxies.to(url)

    def _without_secrets(self, body: bytes, secret: str | None = None) -> bytes:
        """Remove secrets that a server repeats, before any error can hold them."""
        for hidden in (*self._hidden, *_hidden(secret)) if secret else self._hidden:
            if hidden in body:
                body = body.replace(hidden, b"[secret]")
        return body

    def _outgoing(
        self, post: Post, scope: Deadline
    ) -> tuple[WatchedBody | BodyStream, Mapping[str, str] | None]:
        """Return what aiohttp is given of a body, and of headers beside the usual ones."""
        if isinstance(post.body, bytes):
            return WatchedBody(post.body, post.state), None
        stream = BodyStream(post.body, scope, self.request_timeout, post.state.note_written)
        return stream, stream.headers

    def to_transport_error(
        self, error: Exception, waited: float, state: SendState | None = None
    ) -> TransportError:
        """Make our error of aiohttp's, without anything of the request in it."""
        sent = state is None or state.written
        reason = self._without_secrets(describe(error, sent=sent).encode()).decode()
        return to_transport_error(error, reason, waited=waited, sent=sent)


def check_connector(connector: object, at_least: int) -> None:
    """Refuse a lent connector that would hold requests back where the limiter cannot see it.

    Raises:
        TypeError: It is not an aiohttp connector.
        ValueError: Its own limit is below the session's.
    """
    if connector is None:
        return
    if not isinstance(connector, Connector):
        msg = f"connector must be an aiohttp connector, not {type(connector).__name__}"
        raise TypeError(msg)
    for name in CONNECTOR_LIMITS:
        if 0 < getattr(connector, name) < at_least:
            msg = (
                f"the connector's {name} is {getattr(connector, name)}, below "
                f"max_concurrent_requests={at_least}; raise one or lower the other"
            )
            raise ValueError(msg)


def _new_client(
    connector: Connector | None,
    headers: Mapping[str, str],
    *traces: aiohttp.TraceConfig,
    **options: Any,
) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        headers={"User-Agent": f"vidgo_async/{__version__}", **headers},
        connector=connector,
        connector_owner=False,
        max_line_size=MAX_HEADER,
        max_field_size=MAX_HEADER,
        max_headers=MAX_HEADERS,
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=list(traces),
        **options,
    )


def _hidden(secret: str) -> tuple[bytes, ...]:
    # A short key is a test's, and may well be part of a word of the body.
    return (secret.encode(),) if len(secret) >= MIN_SECRET_LENGTH else ()


def _check_written(state: SendState, status: int) -> None:
    """Refuse a response to nothing, such as the 408 that some servers send to idle connections."""
    if not state.written:
        msg = f"HTTP {status} came before the request was sent"
        raise TransportError(msg, sent=False)


async def _read(response: aiohttp.ClientResponse, received: list[bytes], most: int) -> None:
    content, size = response.content, 0
    while not content.at_eof():
        received.append(await content.readany())
        size += len(received[-1])
        if size > most:
            msg = f"the response is larger than {most} bytes"
            raise ValueError(msg)
