"""Misfortune at the file host: other files, or other parts of one, than were asked for.

Each does the real thing with a twist; an answer that is no file stays as it is.
"""

from aiohttp import web
from aiohttp.typedefs import Handler

from vidgo_async.sandbox.faults.connections import Fault
from vidgo_async.sandbox.http.storage import serve
from vidgo_async.sandbox.media.file_content import Part


async def redirected(request: web.Request, _handler: Handler) -> web.StreamResponse:
    """Redirect to the same path at another host, where the sandbox listens too.

    That is `localhost` for who asked 127.0.0.1, and else 127.0.0.1.
    """
    other = "localhost" if request.url.host == "127.0.0.1" else "127.0.0.1"
    return web.Response(status=302, headers={"Location": str(request.url.with_host(other))})


async def without_ranges(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Send the whole file whatever part is asked for, as servers do that know no ranges."""
    real = await handler(_asking(request, ""))
    real.headers.popall("Accept-Ranges", None)
    return real


def shifted(by: int) -> Fault:
    """Make a fault that sends another part than was asked for, as its `Content-Range` says.

    Args:
        by: Bytes by which it begins too late; below 0, too early.
    """

    async def strike(request: web.Request, handler: Handler) -> web.StreamResponse:
        real = await handler(request)
        part = _file_of(real)
        if part is None or "Content-Range" not in real.headers:
            return real
        start = min(max(0, part.start + by), part.content.size - 1)
        return await serve(_asking(request, f"bytes={start}-"), part.content)

    strike.__name__ = f"shifted({by})"
    return strike


async def replaced(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Serve another file of the same size: other bytes, another ETag, another checksum."""
    real = await handler(request)
    part = _file_of(real)
    return await serve(request, part.content.flipped) if part else real


async def corrupted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Send wrong bytes under the right headers, so that only the checksum tells."""
    real = await handler(request)
    part = _file_of(real)
    if part is None:
        return real
    wrong = Part(part.content.flipped, part.start, part.start + part.length)
    return web.Response(status=real.status, headers=real.headers, body=wrong)


def _asking(request: web.Request, part: str) -> web.Request:
    """Return the request as if it had asked for another part."""
    return request.clone(headers={**request.headers, "Range": part})


def _file_of(response: web.StreamResponse) -> Part | None:
    body = getattr(response, "body", None)
    return body if isinstance(body, Part) else None
