"""The headers of a file's host: which range comes, of which file, with which checksum.

Pure functions (RFC 9110 for ranges and validators, RFC 9530 and RFC 1864 for checksums).
"""

import base64
import binascii
import contextlib
import re
from datetime import timedelta
from typing import NamedTuple

from vidgo_async._api.http_headers import Headers, http_date

DIGEST_SIZES = {"sha256": 32, "sha512": 64, "md5": 16}
"""Bytes of each checksum that is understood."""

_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(?:(\d{1,18})|\*)", re.ASCII | re.IGNORECASE)
_UNSATISFIED = re.compile(r"bytes \*/(\d{1,18})", re.ASCII | re.IGNORECASE)
_DIGEST = re.compile(r"(?:^|,)\s*sha-(256|512)=:([A-Za-z0-9+/=]+):")


class ContentRange(NamedTuple):
    """The range of a file that a response holds."""

    start: int
    stop: int
    total: int | None
    """Bytes of the whole file; None where the server did not say."""


def content_range(headers: Headers) -> ContentRange | None:
    """Read the `Content-Range` of a 206; None where it makes no sense."""
    found = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if found is None:
        return None
    first, last, total = found.groups()
    return ContentRange(int(first), int(last) + 1, None if total is None else int(total))


def unsatisfied_size(headers: Headers) -> int | None:
    """Read the size of the file from the `Content-Range` of a 416; None where it makes no sense."""
    found = _UNSATISFIED.fullmatch(headers.get("Content-Range", "").strip())
    return None if found is None else int(found[1])


COMPRESSIONS = frozenset({"br", "compress", "deflate", "gzip", "x-compress", "x-gzip", "zstd"})
"""The content codings that change the bytes (IANA's registry)."""


def content_encoding(headers: Headers) -> str:
    """Return how the body is compressed; an empty text where it is the file itself."""
    named = (each.strip() for each in headers.get("Content-Encoding", "").lower().split(","))
    # Hosts also put words there that compress nothing, such as `aws-chunked` or `utf-8`.
    return ", ".join(each for each in named if each in COMPRESSIONS)


def validator(headers: Headers) -> str | None:
    """Return the ETag or date for `If-Range`; None where neither identifies the file's bytes.

    Only a strong `ETag` does, or a date at least a second older than the response: the file may
    change twice within one second.
    """
    etag = headers.get("ETag", "").strip()
    if etag.startswith('"'):
        return etag
    modified = headers.get("Last-Modified", "").strip()
    changed, now = http_date(modified), http_date(headers.get("Date", ""))
    is_exact = modified.endswith("GMT")  # as section 5.6.7 asks of a server
    if not is_exact or changed is None or now is None or now - changed < timedelta(seconds=1):
        return None
    return modified


class Checksum(NamedTuple):
    """The checksum that a whole file must have."""

    name: str
    """As `hashlib` names it."""
    digest: bytes


def body_checksum(headers: Headers) -> Checksum | None:
    """Return the checksum of a whole file: of the readable ones the first in `DIGEST_SIZES`."""
    sent = f"{headers.get('Content-Digest', '')},{headers.get('Repr-Digest', '')}"
    found = {f"sha{bits}": value for bits, value in _DIGEST.findall(sent)}
    found["md5"] = headers.get("Content-MD5", "").strip()
    for name, size in DIGEST_SIZES.items():
        with contextlib.suppress(binascii.Error):
            digest = base64.b64decode(found.get(name, ""), validate=True)
            if len(digest) == size:
                return Checksum(name, digest)
    return None
