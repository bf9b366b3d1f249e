"""What was uploaded, and how many uploads are allowed.

The caller passes the time, in seconds of any clock that never goes back.
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
from vidgo_async.sandbox.state.tasks import server_time

UPLOAD_LIFETIME = 72 * 3600.0
"""Seconds that an uploaded file is kept."""
MAX_KEPT_SIZE = 8 * 2**20
"""Bytes up to which the content of a file is kept. Of a larger one only size and checksum are
kept, to save memory, and its link does not work."""
RATE_PERIOD = 60.0
"""The seconds of `uploads_per_minute`."""
SIGNATURE_SIZE = 12
"""Bytes at the start of an image that tell its type."""
IMAGE_TYPES = (
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg", "jpg"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png", "png"),
    (re.compile(rb"GIF8[79]a"), "image/gif", "gif"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp", "webp"),
)
"""The signature, the MIME type and the suffix of each."""
UPLOAD_URL = re.compile(r"https?://[^/]+/files/(file-[0-9a-f]{24})\.[a-z]+")
ONE_PIXEL_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""What stands for the file at any other address, because the sandbox fetches nothing."""


@attrs.frozen(kw_only=True)
class Upload:
    """One uploaded file."""

    file_id: str
    file_name: str
    """The name that was asked for, else the file's own, else one made of its id."""
    original_name: str | None
    """The name that was sent with the file; None if there was none."""
    upload_path: str
    """The folder that was asked for."""
    source_url: str | None
    """The address of a file that was uploaded by URL."""
    size: int
    """In bytes."""
    sha256: str
    """In hexadecimal digits."""
    mime_type: str
    """By its content."""
    suffix: str
    """The end of its link, without the dot."""
    at: float
    """When it was complete, in seconds of the loop's clock."""
    upload_time: str
    """The same on the server's wall clock, ISO 8601 without a zone."""
    expires_at: str
    """When it will be deleted, on the same clock."""
    content: Content | None = attrs.field(repr=False)
    """What its link serves; None if it was too large to keep."""

    def is_alive(self, now: float) -> bool:
        """Tell whether it is still kept."""
        return now < self.at + UPLOAD_LIFETIME


@attrs.define(kw_only=True)
class IncomingFile:
    """A file that is being received; no more of it is kept than is needed."""

    file_name: str = ""
    upload_path: str = ""
    original_name: str | None = None
    source_url: str | None = None
    size: int = 0
    data: bytearray = attrs.field(factory=bytearray, repr=False)
    """All bytes so far, or only the signature if there are too many to keep."""
    _digest: Any = attrs.field(init=False, factory=hashlib.sha256, repr=False)

    def add(self, chunk: bytes) -> None:
        """Append bytes."""
        self.size += len(chunk)
        self._digest.update(chunk)
        if self.size <= MAX_KEPT_SIZE:
            self.data += chunk
        elif len(self.data) != SIGNATURE_SIZE:
            self.data = (self.data + chunk)[:SIGNATURE_SIZE]

    @property
    def sha256(self) -> str:
        """The digest of all bytes so far, in hexadecimal digits."""
        return str(self._digest.hexdigest())

    @property
    def content(self) -> bytes | None:
        """All bytes so far; None if there were too many to keep."""
        return bytes(self.data) if self.size <= MAX_KEPT_SIZE else None

    def image_type(self) -> tuple[str, str]:
        """Return the MIME type and the suffix.

        Raises:
            RefusedError: It is not an image of a supported type (400).
        """
        if not self.size:
            raise RefusedError(400, "file_format_error", "The file is empty")
        for signature, mime_type, suffix in IMAGE_TYPES:
            if signature.match(self.data):
                return mime_type, suffix
        message = "Unsupported file type: only JPEG, PNG, GIF and WebP are allowed"
        raise RefusedError(400, "file_format_error", message)


@attrs.define(kw_only=True, eq=False)
class Uploads:
    """All uploaded files."""

    uploads_per_minute: int | None = attrs.field(
        validator=attrs.validators.optional(attrs.validators.ge(1))
    )
    """How many are allowed in any minute; None allows any number."""
    all: dict[str, Upload] = attrs.field(init=False, factory=dict[str, Upload])
    """By id, in order of arrival."""
    _recent: deque[float] = attrs.field(init=False, factory=deque[float])

    def check_rate(self, now: float) -> None:
        """Count an upload, before its body is read.

        Raises:
            RefusedError: There were too many in the last minute (429).
        """
        if self.uploads_per_minute is None:
            return
        while self._recent and now >= self._recent[0] + RATE_PERIOD:
            self._recent.popleft()
        if len(self._recent) == self.uploads_per_minute:
            message = f"Rate limit exceeded: {self.uploads_per_minute} uploads per minute"
            raise RefusedError(429, "rate_limit_error", message)
        self._recent.append(now)

    def store(self, file: IncomingFile, now: float, wall: datetime) -> Upload:
        """Keep a file.

        Args:
            file: The file, complete.
            now: The time at which it was complete.
            wall: The same time on the wall clock, aware.

        Raises:
            RefusedError: It is not an image of a supported type (400).
        """
        mime_type, suffix = file.image_type()
        file_id = f"file-{secrets.token_hex(12)}"
        data = file.content
        upload = Upload(
            file_id=file_id,
            file_name=file.file_name or file.original_name or f"{file_id}.{suffix}",
            original_name=file.original_name,
            upload_path=file.upload_path,
            source_url=file.source_url,
            size=file.size,
            sha256=file.sha256,
            mime_type=mime_type,
            suffix=suffix,
            at=now,
            upload_time=server_time(wall),
            expires_at=server_time(wall + timedelta(seconds=UPLOAD_LIFETIME)),
            content=None if data is None else Content.of(data, mime_type),
        )
        self.all[file_id] = upload
        return upload

    def data_at(self, url: str) -> bytes:
        """Return what stands for the file at an address: that of an upload, else one pixel."""
        upload = self._find(url)
        return upload.content.block if upload and upload.content else ONE_PIXEL_PNG

    def check_input(self, parameters: dict[str, Any], now: float) -> None:
        """Check the links in the input of a submit.

        Raises:
            RefusedError: A link is that of an upload that is no longer kept (400).
        """
        for text in _texts(parameters):
            upload = self._find(text)
            if upload and not upload.is_alive(now):
                message = f"The uploaded file {upload.file_id} has expired"
                raise RefusedError(400, "invalid_request_error", message)

    def _find(self, url: str) -> Upload | None:
        found = UPLOAD_URL.fullmatch(url)
        return self.all.get(found[1]) if found else None


def _texts(parameters: dict[str, Any]) -> Iterator[str]:
    """Yield the strings among the values, and those in lists among them."""
    for value in parameters.values():
        values = cast("list[object]", value) if isinstance(value, list) else [value]
        yield from (each for each in values if isinstance(each, str))
