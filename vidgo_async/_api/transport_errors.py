"""aiohttp's exceptions as ours: what went wrong in plain words, and nothing of the request in them.

aiohttp gives a response that it cannot parse the number 400, which no server sent. No number of
its own is repeated here.
"""

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import aiohttp

from vidgo_async._api.links import without_queries
from vidgo_async._core.errors import TransportError, TransportTimeoutError

_FINAL_PROXY_STATUSES = range(400, 500)
_PROXY_MAY_RECOVER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
_TOO_LONG = re.compile(r"Got more than (\d+) bytes")
_PARSER_SAYS = re.compile(r"message=(['\"])(.*?)\1>|message:\s*(.*)", re.DOTALL)
MAX_REASON = 200
"""Characters of a parser's words that a message shows."""


def to_transport_error(
    error: Exception, reason: str, *, waited: float, sent: bool
) -> TransportError:
    """Make our error of aiohttp's.

    Args:
        error: What aiohttp raised.
        reason: What `describe` says of it.
        waited: Seconds since the request began.
        sent: Whether any of it may have been read.
    """
    if isinstance(error, TimeoutError):
        what = f"no answer within {waited:.3g} s" if sent else "no connection in time"
        failure: TransportError = TransportTimeoutError(what, sent)
    else:
        failure = TransportError(f"no usable answer: {reason}", sent, _is_temporary(error))
    if isinstance(error, OSError) and error.errno:
        failure.__cause__ = OSError(error.errno, error.strerror)
    return failure


def _is_temporary(error: Exception) -> bool:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return error.status not in _FINAL_PROXY_STATUSES or error.status in _PROXY_MAY_RECOVER
    return not isinstance(error, aiohttp.ClientSSLError)


def describe(error: Exception, *, sent: bool = True) -> str:
    """Say what happened, without a proxy's password and the queries of links."""
    is_connected = isinstance(error, aiohttp.ClientOSError) and not isinstance(
        error, aiohttp.ClientConnectorError
    )
    if is_connected and not sent:
        return "the connection was closed before the request was sent"
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return without_queries(words(error))
    return without_queries(_as_it_is(error))


def _as_it_is(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _lost(error: OSError) -> str:
    why = f" ({error.strerror})" if error.errno else " while the request was sent"
    return f"the connection was lost{why}"


def _refused_by_proxy(status: int, phrase: str) -> str:
    what = f"the proxy refused the connection with {status} {phrase}".rstrip()
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return f"{what}: write its user and password as in http://user:password@proxy.example:3128"
    return f"{what}: this is the proxy's answer, not that of the host behind it"


def _not_http(message: str) -> str:
    """Say what is wrong with the head of a response, in our words or the parser's."""
    if long := _TOO_LONG.match(message):
        return f"the response has a header of more than {int(long[1]) / 1024:.0f} KiB"
    return f"the response is not valid HTTP: {_in_one_line(message)}"


def _unreadable_body(message: str) -> str:
    found = _PARSER_SAYS.search(message)
    says = _in_one_line((found[2] or found[3]) if found else message)
    if "Not enough data" in says:
        return f"the response's body is incomplete: {says}"
    return f"the response's body cannot be read: {says}"


def _in_one_line(message: str) -> str:
    """Join the lines of a parser's words, without the line that only points at a place."""
    return " ".join(message.replace("^", "").split())[:MAX_REASON]


_WORDS: tuple[tuple[type[Exception], Callable[[Any], str]], ...] = (
    (aiohttp.ClientHttpProxyError, lambda error: _refused_by_proxy(error.status, error.message)),
    (aiohttp.TooManyRedirects, lambda _: "TooManyRedirects: one leads to the next without end"),
    (aiohttp.ClientResponseError, lambda error: _not_http(error.message)),
    (aiohttp.ClientPayloadError, lambda error: _unreadable_body(str(error))),
    (
        aiohttp.ServerDisconnectedError,
        lambda _: "the server closed the connection without an answer",
    ),
    (aiohttp.ClientConnectorError, _as_it_is),
    (aiohttp.ClientOSError, _lost),
)
"""What is said of each kind; of several that fit, the first counts."""
