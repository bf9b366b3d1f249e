"""The file host: ranges of files, and links that expire before their file is deleted."""

import base64
import functools
import hashlib
import hmac
import math
import re
import secrets

import attrs
from aiohttp import web
from yarl import URL

from vidgo_async.sandbox.media.file_content import Content, FileRange
from vidgo_async.sandbox.media.film import Film
from vidgo_async.sandbox.media.mp4 import make_mp4
from vidgo_async.sandbox.state.checks import RefusedError

RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII | re.IGNORECASE)
SECONDS = [attrs.validators.gt(0.0), attrs.validators.lt(math.inf)]


@attrs.frozen(kw_only=True)
class Storage:
    """Makes the files of videos, and signs and checks their links."""

    link_lifetime: float | None = attrs.field(validator=attrs.validators.optional(SECONDS))
    """Seconds for which a link works; with None links are unsigned and work as long as files."""
    link_delay: float = attrs.field(
        validator=[attrs.validators.ge(0.0), attrs.validators.lt(math.inf)]
    )
    """Seconds from the end of a task in which its link is not found yet."""
    file_size: int | None = attrs.field(validator=attrs.validators.optional(attrs.validators.ge(1)))
    """Bytes of each file, which is then noise; with None it is a real video."""
    _secret: bytes = attrs.field(init=False, repr=False, factory=lambda: secrets.token_bytes(16))

    def video(self, film: Film) -> Content:
        """Return the file of a task."""
        return _video(film) if self.file_size is None else _noise(self.file_size, film.seed)

    def sign(self, url: URL, now: float) -> URL:
        """Return a link that works from now on, for `link_lifetime`."""
        if self.link_lifetime is None:
            return url
        expires = f"{now + self.link_lifetime:.3f}"
        return url.with_query(expires=expires, signature=self._signature(url.path, expires))

    def check_link(self, url: URL, now: float) -> None:
        """Check the link of a request.

        Raises:
            RefusedError: It is not signed, or it expired (403).
        """
        if self.link_lifetime is None:
            return
        expires = url.query.get("expires", "")
        if url.query.get("signature") != self._signature(url.path, expires):
            raise RefusedError(403, "permission_denied_error", "The signature does not match")
        if now >= float(expires):
            raise RefusedError(403, "permission_denied_error", "The link has expired")

    def _signature(self, path: str, expires: str) -> str:
        return hmac.new(self._secret, f"{path}?{expires}".encode(), hashlib.sha256).hexdigest()


@functools.lru_cache(maxsize=128)
def _video(film: Film) -> Content:
    data = make_mp4(film.width, film.height, film.seconds, seed=film.seed)
    return Content.of(data, "video/mp4")


@functools.lru_cache(maxsize=8)
def _noise(size: int, seed: int) -> Content:
    return Content.noise(size, "video/mp4", seed=seed)


async def file_response(request: web.Request, content: Content) -> web.Response:
    """Make the response with a file, or with the range that was asked for (RFC 9110, 14)."""
    digest = base64.b64encode(await content.sha256()).decode()
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Type": content.content_type,
        "ETag": content.etag,
        "Repr-Digest": f"sha-256=:{digest}:",  # of the whole file, also with a range (RFC 9530)
    }
    requested = _requested_range(request, content)
    if requested is None:
        return web.Response(body=FileRange(content, 0, content.size), headers=headers)
    start, stop = requested
    if start >= stop:
        body = {"detail": "Requested range not satisfiable"}
        headers = {"Content-Range": f"bytes */{content.size}"}
        return web.json_response(body, status=416, headers=headers)
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{content.size}"
    return web.Response(status=206, body=FileRange(content, start, stop), headers=headers)


def _requested_range(request: web.Request, content: Content) -> tuple[int, int] | None:
    """Return where to start and stop; None is the whole file, also for an invalid range."""
    found = RANGE.fullmatch(request.headers.get("Range", ""))
    # A date in If-Range never equals the ETag, so that it gets the whole file too.
    is_same_file = request.headers.get("If-Range", content.etag) == content.etag
    if request.method != "GET" or not found or not is_same_file:
        return None
    first, last = found.groups()
    if not first:
        return (max(0, content.size - int(last)), content.size) if last else None
    start, stop = int(first), int(last) + 1 if last else content.size
    return None if last and stop <= start else (start, min(stop, content.size))
