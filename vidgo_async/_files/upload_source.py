"""A picture on its way to an upload endpoint: checked first, then read in pieces.

What the API would refuse is refused here by name. All that touches files or takes time blocks, so
`parcel_of` and what a parcel does are called in threads.
"""

import base64
import binascii
import errno
import hashlib
import io
import json
import os
import re
import secrets
import stat
import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, NamedTuple, cast

import anyio.to_thread
import attrs

from vidgo_async._core.concurrency import run_shielded
from vidgo_async._core.validators import is_http_url

PIECE = 512 * 1024
"""Bytes that are read and sent at a time."""
ALLOWED = "JPEG, PNG, GIF and WebP"
_KINDS = (
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
)
_HEAD = 12
"""Bytes that tell what a picture is."""
_DATA_URL = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)


class Opened(NamedTuple):
    """What one attempt sends: a file, and what is around it."""

    content_type: str
    file: io.FileIO | io.BytesIO
    length: int
    """Bytes of the file, as it was when it was opened."""
    name: str
    """The file, in an error's words."""
    head: bytes = b""
    tail: bytes = b""


@attrs.frozen(eq=False, repr=False)
class Parcel:
    """Something to upload that was found to be in order."""

    endpoint: str
    """The last word of its path."""
    key: Hashable
    """Equal for what is the same."""
    begin: Callable[[], Opened]
    """Opens it for one attempt."""


class Content:
    """The body of one attempt, read as it is sent.

    A thread cannot be cancelled: a lock keeps the file open until the last one has done with it,
    whatever became of those who waited for the thread.
    """

    def __init__(self, begin: Callable[[], Opened]) -> None:
        self.size: int = 0
        """Bytes in all, once it is open."""
        self.content_type: str = ""
        self.failure: Exception | None = None
        """Why it could not be read to its end."""
        self._begin = begin
        self._opened: Opened | None = None
        self._left = 0
        self._lock = threading.Lock()
        self._closed = False

    async def open(self) -> None:
        """Begin.

        Raises:
            OSError: The file is gone, or cannot be read.
            ValueError: It is no picture any more.
        """
        await anyio.to_thread.run_sync(self._open)

    async def read(self) -> bytes:
        """Return the next piece; nothing at the end.

        Raises:
            ValueError: The file grew or shrank.
            OSError: It cannot be read.
        """
        try:
            return await anyio.to_thread.run_sync(self._next)
        except Exception as error:
            self.failure = error
            raise

    async def aclose(self) -> None:
        """Close the file, once no thread reads it any more."""
        await run_shielded(anyio.to_thread.run_sync(self._close))

    def _open(self) -> None:
        with self._lock:
            if not self._closed:
                self._opened = opened = self._begin()
                self._left = opened.length
                self.size = len(opened.head) + opened.length + len(opened.tail)
                self.content_type = opened.content_type

    def _next(self) -> bytes:
        with self._lock:
            return self._piece(self._opened) if self._opened and not self._closed else b""

    def _piece(self, opened: Opened) -> bytes:
        piece = opened.file.read(min(PIECE, self._left)) or b""
        before = opened.head if self._left == opened.length else b""
        self._left -= len(piece)
        # Another length than was promised would end in a broken request, or in a wait for ever.
        if (not piece and self._left) or (not self._left and opened.file.read(1)):
            msg = f"{opened.name} changed while it was being uploaded"
            raise ValueError(msg)
        if self._left:
            return before + piece
        self._opened = None
        opened.file.close()
        return before + piece + opened.tail

    def _close(self) -> None:
        with self._lock:
            self._closed = True
            if self._opened:
                self._opened.file.close()


def parcel_of(
    source: object, file_name: str | None = None, upload_path: str | None = None
) -> Parcel:
    """Look at what is to be uploaded, and refuse what the API would refuse.

    Raises:
        FileNotFoundError: There is no such file.
        IsADirectoryError: It is a folder.
        ValueError: It is empty, no picture by its content, or no URL.
        TypeError: It is nothing that can be uploaded.
    """
    texts = {"upload_path": _text("upload_path", upload_path)} if upload_path is not None else {}
    if file_name is not None:
        texts["file_name"] = _text("file_name", file_name)
    match source:
        case os.PathLike():
            return _of_path(Path(os.fsdecode(cast("os.PathLike[str]", source))), texts)
        case bytes() | bytearray() | memoryview():
            return _of_bytes(bytes(cast("bytes", source)), texts)
        case str() if source.startswith("data:"):
            return _of_data_url(source, texts)
        case str() if is_http_url(source):
            return _of_json("url", source, {"file_url": source, **texts})
        case str():
            msg = f"no http(s) or data: URL: {source[:80]!r}; for a file pass Path(...)"
            raise ValueError(msg)
        case _:
            msg = (
                "expected a path, bytes, an http(s) URL or a data: URL to upload, "
                f"not {type(source).__name__}"
            )
            raise TypeError(msg)


# --- By kind of source ----------------------------------------------------------------------


def _of_path(path: Path, texts: dict[str, str]) -> Parcel:
    file, found, _ = _open_picture(path)
    file.close()
    key = (str(path.resolve()), found.st_size, found.st_mtime_ns, found.st_ino)

    def begin() -> Opened:  # looked at again: it may have changed while it waited for its turn
        file, found, kind = _open_picture(path)
        return _form(texts, path.name, kind, file, found.st_size, repr(str(path)))

    return Parcel("stream", key, begin)


def _of_bytes(data: bytes, texts: dict[str, str]) -> Parcel:
    kind = _kind_of(data[:_HEAD], "the bytes to upload")
    name = texts.get("file_name", "upload." + kind.rpartition("/")[2])
    return Parcel(
        "stream",
        hashlib.sha256(data).digest(),
        lambda: _form(texts, name, kind, io.BytesIO(data), len(data), ""),
    )


def _of_data_url(url: str, texts: dict[str, str]) -> Parcel:
    start = _DATA_URL.match(url)
    if start is None:
        msg = f"a data: URL without base64 cannot be uploaded: {url[:80]!r}"
        raise ValueError(msg)
    encoded = "".join(url[start.end() :].split())  # the API takes no white space
    try:
        head = base64.b64decode(encoded, validate=True)[:_HEAD]
    except binascii.Error as error:
        msg = f"the data: URL {url[:80]!r} is not base64: {error}"
        raise ValueError(msg) from None
    _kind_of(head, f"the data: URL {url[:80]!r}")
    return _of_json("base64", url, {"base64_data": start[0] + encoded, **texts})


def _of_json(endpoint: str, source: str, fields: dict[str, str]) -> Parcel:
    body = json.dumps(fields).encode()
    key = (endpoint, hashlib.sha256(source.encode("utf-8", "surrogatepass")).digest())
    return Parcel(
        endpoint, key, lambda: Opened("application/json", io.BytesIO(body), len(body), "")
    )


# --- Checks and forms -----------------------------------------------------------------------


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        msg = f"{name} must be a string, not {type(value).__name__}"
        raise TypeError(msg)
    if not value.strip() or not value.isprintable():
        msg = f"{name} must have printable characters, and at least one, not {value[:80]!r}"
        raise ValueError(msg)
    return value


def _open_picture(path: Path) -> tuple[io.FileIO, os.stat_result, str]:
    """Open a file that is a picture by its content; return its kind too."""
    mode = path.stat().st_mode
    name = repr(str(path))
    if stat.S_ISDIR(mode):
        problem = f"a folder cannot be uploaded, only a picture ({ALLOWED})"
        raise IsADirectoryError(errno.EISDIR, problem, str(path))
    if not stat.S_ISREG(mode):  # a pipe would never end
        msg = f"{name} is no regular file"
        raise ValueError(msg)
    file = path.open("rb", buffering=0)
    try:
        kind = _kind_of(file.read(_HEAD) or b"", name)
        file.seek(0)
        return file, os.fstat(file.fileno()), kind
    except BaseException:
        file.close()
        raise


def _kind_of(head: bytes, name: str) -> str:
    if not head:
        msg = f"{name}: empty; allowed are {ALLOWED}"
        raise ValueError(msg)
    for magic, kind in _KINDS:
        if magic.match(head):
            return kind
    msg = f"{name}: no picture by its content; allowed are {ALLOWED}"
    raise ValueError(msg)


def _form(
    texts: dict[str, str],
    file_name: str,
    kind: str,
    file: io.FileIO | io.BytesIO,
    length: int,
    name: str,
) -> Opened:
    """Put a file into a form (RFC 7578), its name in UTF-8 as browsers send it."""
    boundary = f"vidgo-{secrets.token_hex(16)}"
    start = f'--{boundary}\r\nContent-Disposition: form-data; name="'
    parts = "".join(f'{start}{key}"\r\n\r\n{text}\r\n' for key, text in texts.items())
    quoted = file_name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    head = f'{parts}{start}file"; filename="{quoted}"\r\nContent-Type: {kind}\r\n\r\n'
    return Opened(
        f"multipart/form-data; boundary={boundary}",
        file,
        length,
        name,
        head.encode("utf-8", "replace"),
        f"\r\n--{boundary}--\r\n".encode(),
    )
