"""What the headers of a file's host say: which part comes, of which file, with which checksums.

Pure functions (RFC 9110 for parts and validators, RFC 9530 and RFC 1864 for checksums).
"""

import base64
import binascii
import contextlib
import re
from datetime import timedelta
from typing import NamedTuple

from vidgo_async._api.http_headers import Headers, http_date

SIZES = {"sha256": 32, "sha512": 64, "md5": 16}
"""Bytes of the checksums that are understood."""

_PART = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(?:(\d{1,18})|\*)", re.ASCII | re.IGNORECASE)
_NO_PART = re.compile(r"bytes \*/(\d{1,18})", re.ASCII | re.IGNORECASE)
_DIGEST = re.compile(r"(?:^|,)\s*sha-(256|512)=:([A-Za-z0-9+/=]+):")


class Part(NamedTuple):
    """The part of a file that an answer holds."""

    start: int
    stop: int
    total: int | None
    """Bytes of the whole file; None where the server did not say."""


def part_of(headers: Headers) -> Part | None:
    """Read the `Content-Range` of a 206; None where it makes no sense."""
    found = _PART.fullmatch(headers.get("Content-Range", "").strip())
    if found is None:
        return None
    first, last, total = found.groups()
    return Part(int(first), int(last) + 1, None if total is None else int(total))


def size_beyond(headers: Headers) -> int | None:
    """Read the size of the file out of the `Content-Range` of a 416."""
    found = _NO_PART.fullmatch(headers.get("Content-Range", "").strip())
    return None if found is None else int(found[1])


def is_encoded(headers: Headers) -> bool:
    """Tell whether the bytes that come are not those of the file, but of a compressed form."""
    return headers.get("Content-Encoding", "").strip().lower() not in {"", "identity"}


def validator(headers: Headers) -> str | None:
    """Return what tells this file from another one of its name, fit for `If-Range`.

    That is a strong `ETag`, or a date that the file has had for so long that no second file
    can have it.
    """
    etag = headers.get("ETag", "").strip()
    if etag.startswith('"'):
        return etag
    modified = headers.get("Last-Modified", "").strip()
    changed, now = http_date(modified), http_date(headers.get("Date", ""))
    is_exact = modified.endswith("GMT")  # as section 5.6.7 asks of who generates it
    if not is_exact or changed is None or now is None or now - changed < timedelta(seconds=1):
        return None
    return modified


class Checksum(NamedTuple):
    """What a whole file must add up to."""

    name: str
    """As `hashlib` has it."""
    digest: bytes


def checksum(headers: Headers) -> Checksum | None:
    """Return the checksum of a file that comes whole, the quickest to take of the good ones."""
    sent = f"{headers.get('Content-Digest', '')},{headers.get('Repr-Digest', '')}"
    found = {f"sha{bits}": value for bits, value in _DIGEST.findall(sent)}
    found["md5"] = headers.get("Content-MD5", "").strip()
    for name, size in SIZES.items():
        with contextlib.suppress(binascii.Error):
            digest = base64.b64decode(found.get(name, ""), validate=True)
            if len(digest) == size:
                return Checksum(name, digest)
    return None
