"""What was uploaded, and how often that is allowed.

Pure state without HTTP and without a clock, as `tasks.py` is: whoever asks says what time it is.
"""

import base64
import hashlib
import re
import secrets
from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, cast

import attrs

from vidgo_async.sandbox.media.file_content import Content
from vidgo_async.sandbox.state.checks import RefusedError
from vidgo_async.sandbox.state.tasks import SERVER_ZONE

UPLOAD_LIFETIME = 72 * 3600.0
"""Seconds that an uploaded file is kept."""
KEPT = 8 * 2**20
"""Bytes up to which the content of a file is kept. Of larger ones only size and checksum are, so
that they take no memory, and their links are dead."""
WINDOW = 60.0
"""Seconds in which so many uploads are allowed."""
HEAD = 12
"""Bytes that tell what an image is."""
MAGIC = (
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg", "jpg"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png", "png"),
    (re.compile(rb"GIF8[79]a"), "image/gif", "gif"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp", "webp"),
)
LINK = re.compile(r"https?://[^/]+/files/(file-[0-9a-f]{24})\.[a-z]+")
TINY_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""What is taken to be at any address, since the sandbox asks nobody: one pixel."""


@attrs.frozen(kw_only=True)
class Upload:
    """One uploaded file."""

    file_id: str
    file_name: str
    """The name that was asked for, else its own, else one made of its id."""
    original_name: str | None
    """The name that came with the file; None where none can."""
    upload_path: str
    """The folder that was asked for."""
    source_url: str | None
    """Where it is from, if it came as an address."""
    size: int
    """Bytes."""
    sha256: str
    """In hexadecimal digits."""
    mime_type: str
    """What its content looks like."""
    suffix: str
    """What its link ends with, without the dot."""
    at: float
    """When it was complete, in seconds on the clock of whoever asks."""
    upload_time: str
    """The same on the server's wall clock, ISO 8601 without a zone."""
    expires_at: str
    """When it will be deleted, on that clock too."""
    content: Content | None = attrs.field(repr=False)
    """What its link serves; None where it was too large to keep."""

    def is_alive(self, now: float) -> bool:
        """Tell whether it is still kept."""
        return now < self.at + UPLOAD_LIFETIME


@attrs.define
class Parcel:
    """A file on its way in, of which no more is kept than is needed."""

    file_name: str = ""
    upload_path: str = ""
    original_name: str | None = None
    source_url: str | None = None
    size: int = 0
    data: bytearray = attrs.field(factory=bytearray, repr=False)
    """The whole of it, or its head if it is large."""
    _digest: Any = attrs.field(init=False, factory=hashlib.sha256, repr=False)

    def add(self, chunk: bytes) -> None:
        """Take some more of it."""
        self.size += len(chunk)
        self._digest.update(chunk)
        if self.size <= KEPT:
            self.data += chunk
        elif len(self.data) != HEAD:
            self.data = (self.data + chunk)[:HEAD]

    @property
    def sha256(self) -> str:
        """The digest of all that came, in hexadecimal digits."""
        return str(self._digest.hexdigest())

    def kind(self) -> tuple[str, str]:
        """Return type and suffix of the image that it is.

        Raises:
            RefusedError: It is none (400).
        """
        if not self.size:
            raise RefusedError(400, "file_format_error", "The file is empty")
        for magic, mime_type, suffix in MAGIC:
            if magic.match(self.data):
                return mime_type, suffix
        message = "Unsupported file type: only JPEG, PNG, GIF and WebP are allowed"
        raise RefusedError(400, "file_format_error", message)


@attrs.define(kw_only=True, eq=False)
class Uploads:
    """All that was ever uploaded."""

    uploads_per_minute: int | None = attrs.field(
        validator=attrs.validators.optional(attrs.validators.ge(1))
    )
    """How many are allowed in any minute; None allows any number."""
    all: dict[str, Upload] = attrs.field(init=False, factory=dict[str, Upload])
    """By id, in order of arrival."""
    _recent: deque[float] = attrs.field(init=False, factory=deque[float])

    def admit(self, now: float) -> None:
        """Count an upload, before anything is known of it.

        Raises:
            RefusedError: There were too many in the last minute (429).
        """
        if self.uploads_per_minute is None:
            return
        while self._recent and now >= self._recent[0] + WINDOW:
            self._recent.popleft()
        if len(self._recent) == self.uploads_per_minute:
            message = f"Rate limit exceeded: {self.uploads_per_minute} uploads per minute"
            raise RefusedError(429, "rate_limit_error", message)
        self._recent.append(now)

    def store(self, parcel: Parcel, now: float, wall: datetime) -> Upload:
        """Keep a file.

        Args:
            parcel: All that came of it.
            now: Seconds, on the clock of whoever asks.
            wall: The same moment on the wall clock, aware.

        Raises:
            RefusedError: It is no image (400).
        """
        mime_type, suffix = parcel.kind()
        file_id = f"file-{secrets.token_hex(12)}"
        is_whole = parcel.size <= KEPT
        upload = Upload(
            file_id=file_id,
            file_name=parcel.file_name or parcel.original_name or f"{file_id}.{suffix}",
            original_name=parcel.original_name,
            upload_path=parcel.upload_path,
            source_url=parcel.source_url,
            size=parcel.size,
            sha256=parcel.sha256,
            mime_type=mime_type,
            suffix=suffix,
            at=now,
            upload_time=_written(wall),
            expires_at=_written(wall + timedelta(seconds=UPLOAD_LIFETIME)),
            content=Content.of(bytes(parcel.data), mime_type) if is_whole else None,
        )
        self.all[file_id] = upload
        return upload

    def at_address(self, url: str) -> bytes:
        """Return what is at an address: an upload of ours, or else a tiny PNG."""
        upload = self._linked(url)
        return upload.content.block if upload and upload.content else TINY_PNG

    def check_input(self, given: dict[str, Any], now: float) -> None:
        """Check the links in the input of a submit.

        Raises:
            RefusedError: A link is that of an upload that is no longer kept (400).
        """
        for text in _texts(given):
            upload = self._linked(text)
            if upload and not upload.is_alive(now):
                message = f"The uploaded file {upload.file_id} has expired"
                raise RefusedError(400, "invalid_request_error", message)

    def _linked(self, url: str) -> Upload | None:
        found = LINK.fullmatch(url)
        return self.all.get(found[1]) if found else None


def _texts(given: dict[str, Any]) -> Iterator[str]:
    """Yield the strings among the values, and in lists among them."""
    for value in given.values():
        values = cast("list[object]", value) if isinstance(value, list) else [value]
        yield from (each for each in values if isinstance(each, str))


def _written(wall: datetime) -> str:
    return f"{wall.astimezone(SERVER_ZONE):%Y-%m-%dT%H:%M:%S}"
