"""Faults of the file host: it sends other bytes than were asked for, or redirects.

All but `redirected` change the real response, and only if it is a file.
"""

from aiohttp import web
from aiohttp.typedefs import Handler

from vidgo_async.sandbox.faults.connections import Fault
from vidgo_async.sandbox.http.storage import file_response
from vidgo_async.sandbox.media.file_content import FileRange


async def redirected(request: web.Request, _handler: Handler) -> web.StreamResponse:
    """Redirect to the same path at another host name, which is the sandbox too.

    That is `localhost` if the client asked 127.0.0.1, else 127.0.0.1.
    """
    other = "localhost" if request.url.host == "127.0.0.1" else "127.0.0.1"
    return web.Response(status=302, headers={"Location": str(request.url.with_host(other))})


async def without_ranges(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Send the whole file for any range, as a server does that supports none."""
    real = await handler(_with_range(request, ""))
    real.headers.popall("Accept-Ranges", None)
    return real


def shifted(by: int) -> Fault:
    """Make a fault that sends another range than was asked for, with a true `Content-Range`.

    Args:
        by: Bytes by which it starts too late; negative if too early.
    """

    async def apply(request: web.Request, handler: Handler) -> web.StreamResponse:
        real = await handler(request)
        body = _file_range(real)
        if body is None or "Content-Range" not in real.headers:
            return real
        start = min(max(0, body.start + by), body.content.size - 1)
        return await file_response(_with_range(request, f"bytes={start}-"), body.content)

    apply.__name__ = f"shifted({by})"
    return apply


async def replaced(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Send another file of the same size: other bytes, another ETag, another checksum."""
    real = await handler(request)
    body = _file_range(real)
    return await file_response(request, body.content.inverted) if body else real


async def corrupted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Send wrong bytes with the right headers, so that only the checksum tells."""
    real = await handler(request)
    body = _file_range(real)
    if body is None:
        return real
    wrong = FileRange(body.content.inverted, body.start, body.start + body.length)
    return web.Response(status=real.status, headers=real.headers, body=wrong)


def _with_range(request: web.Request, value: str) -> web.Request:
    """Return the request with another `Range` header."""
    return request.clone(headers={**request.headers, "Range": value})


def _file_range(response: web.StreamResponse) -> FileRange | None:
    body = getattr(response, "body", None)
    return body if isinstance(body, FileRange) else None
