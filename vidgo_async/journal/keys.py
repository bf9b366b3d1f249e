"""What is the same request: a hash of its model and input.

It is a format: other hashes in a newer release would buy everything again.
"""

import base64
import hashlib
import json
from pathlib import Path

from vidgo_async._core.concurrency import Threads
from vidgo_async._core.models import Request, UploadedFile
from vidgo_async.requests import PreparedRequest, Source

CHUNK = 1024 * 1024
"""Bytes of a picture that are read at a time."""


def request_key(request: Request) -> str:
    """Return the SHA-256 of model and input as canonical JSON; blocks while pictures are read.

    A picture counts by its bytes, wherever it lies; an uploaded one by its URL. No index, setting
    or callback URL is in it.

    Raises:
        OSError: A picture is not there, or cannot be read.
    """
    prepared = PreparedRequest(request)
    parts = [request.model, prepared.input_with(map(_identity, prepared.sources))]
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


async def key_of(request: Request, threads: Threads) -> str:
    """Return the same without holding the loop."""
    if PreparedRequest(request).is_heavy:
        return await threads.run(request_key, request)
    return request_key(request)


def _identity(source: Source) -> str:
    match source:
        case UploadedFile():
            return source.file_url
        case Path():
            return f"sha256:{_digest_of(source)}"
        case _:
            encoded = "".join(source.partition(",")[2].split())
            return f"sha256:{hashlib.sha256(_decoded(encoded)).hexdigest()}"


def _digest_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError:  # the upload will refuse it by name
        return encoded.encode("utf-8", "surrogatepass")
