"""What is to be uploaded, checked before anything is sent.

What the API would refuse is refused here by name. `check_source` and `UploadSource.open` touch
files and block, so they are called in threads.
"""

import base64
import binascii
import errno
import hashlib
import io
import json
import os
import re
import stat
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, cast

import attrs

from vidgo_async._core.concurrency import Threads
from vidgo_async._core.validators import is_http_url
from vidgo_async._files.upload_body import UploadBody, multipart_body

ALLOWED = "JPEG, PNG, GIF and WebP"
_MEDIA_TYPES = (
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
)
_SIGNATURE = 12
"""Bytes that tell the media type."""
_DATA_URL = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)


@attrs.frozen(eq=False, repr=False)
class UploadSource:
    """What is to be uploaded, and passed all checks."""

    endpoint: str
    """The last word of the endpoint's path."""
    key: Hashable
    """Equal for equal content."""
    open: Callable[[Threads], UploadBody]
    """Opens it for one attempt, to be read in threads."""


def check_source(
    source: object, file_name: str | None = None, upload_path: str | None = None
) -> UploadSource:
    """Refuse what the API would refuse.

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


def _of_path(path: Path, texts: dict[str, str]) -> UploadSource:
    file, found, _ = _open_picture(path)
    file.close()
    key = (str(path.resolve()), found.st_size, found.st_mtime_ns, found.st_ino)

    def open_body(threads: Threads) -> UploadBody:
        # Checked again, since it may have changed while it waited for a permit.
        file, found, media_type = _open_picture(path)
        return multipart_body(
            file,
            found.st_size,
            threads,
            fields=texts,
            file_name=path.name,
            media_type=media_type,
            name=repr(str(path)),
        )

    return UploadSource("stream", key, open_body)


def _of_bytes(data: bytes, texts: dict[str, str]) -> UploadSource:
    media_type = _media_type(data[:_SIGNATURE], "the bytes to upload")
    file_name = texts.get("file_name", "upload." + media_type.rpartition("/")[2])

    def open_body(threads: Threads) -> UploadBody:
        return multipart_body(
            io.BytesIO(data),
            len(data),
            threads,
            fields=texts,
            file_name=file_name,
            media_type=media_type,
        )

    return UploadSource("stream", hashlib.sha256(data).digest(), open_body)


def _of_data_url(url: str, texts: dict[str, str]) -> UploadSource:
    start = _DATA_URL.match(url)
    if start is None:
        msg = f"a data: URL without base64 cannot be uploaded: {url[:80]!r}"
        raise ValueError(msg)
    encoded = "".join(url[start.end() :].split())  # the API takes no white space
    try:
        signature = base64.b64decode(encoded, validate=True)[:_SIGNATURE]
    except binascii.Error as error:
        msg = f"the data: URL {url[:80]!r} is not base64: {error}"
        raise ValueError(msg) from None
    _media_type(signature, f"the data: URL {url[:80]!r}")
    return _of_json("base64", url, {"base64_data": start[0] + encoded, **texts})


def _of_json(endpoint: str, source: str, fields: dict[str, str]) -> UploadSource:
    body = json.dumps(fields).encode()
    key = (endpoint, hashlib.sha256(source.encode("utf-8", "surrogatepass")).digest())

    def open_body(threads: Threads) -> UploadBody:
        return UploadBody(io.BytesIO(body), len(body), threads, content_type="application/json")

    return UploadSource(endpoint, key, open_body)


# --- Checks ---------------------------------------------------------------------------------


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        msg = f"{name} must be a string, not {type(value).__name__}"
        raise TypeError(msg)
    if not value.strip() or not value.isprintable():
        msg = f"{name} must have printable characters, and at least one, not {value[:80]!r}"
        raise ValueError(msg)
    return value


def _open_picture(path: Path) -> tuple[io.FileIO, os.stat_result, str]:
    """Open a file that is a picture by its content; return its media type too."""
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
        media_type = _media_type(file.read(_SIGNATURE) or b"", name)
        file.seek(0)
        return file, os.fstat(file.fileno()), media_type
    except BaseException:
        file.close()
        raise


def _media_type(signature: bytes, name: str) -> str:
    if not signature:
        msg = f"{name}: empty; allowed are {ALLOWED}"
        raise ValueError(msg)
    for pattern, media_type in _MEDIA_TYPES:
        if pattern.match(signature):
            return media_type
    msg = f"{name}: no picture by its content; allowed are {ALLOWED}"
    raise ValueError(msg)
