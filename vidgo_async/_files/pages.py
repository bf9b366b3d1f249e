"""Bodies that are no file: HTML, JSON and XML, by their type or their first bytes."""

import re

FIRST_BYTES = 512
"""Bytes that tell a page from a file."""

_TYPES = {
    "HTML": re.compile(r"text/(?:x-)?html|application/xhtml\+xml"),
    "JSON": re.compile(r"(?:text|application)/(?:.+\+)?(?:x-)?json"),
    "XML": re.compile(r"(?:text|application)/(?:.+\+)?xml"),
}
_STARTS = {
    "HTML": re.compile(
        rb"(?i)<(?:!--|(?:!doctype\s+html|html|head|body|title|script|meta|h1|p)\b)"
    ),
    "JSON": re.compile(rb'\{\s*(?:["}]|$)|\[\s*(?:[\[{"\]0-9tfn-]|$)|"|(?:null|true|false)\s*$'),
    "XML": re.compile(rb"<[a-zA-Z?!]"),
}
_UTF16 = frozenset({b"\xff\xfe", b"\xfe\xff"})
_SVG = "image/svg+xml"
_CLOUDFLARE = re.compile(rb"error code: 10\d\d")


def page_kind(content_type: str, body: bytes) -> str | None:
    """Name the kind of page that a body is; None for a file.

    Args:
        content_type: The `Content-Type`, perhaps with parameters, or nothing.
        body: The first bytes.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == _SVG:
        return None
    for kind, pattern in _TYPES.items():
        if pattern.fullmatch(media_type):
            return kind
    if body[:2] in _UTF16:
        body = body.decode("utf-16", "ignore").encode()
    start = body.removeprefix(b"\xef\xbb\xbf").lstrip()
    if body and not start:
        return "white space"
    for kind, pattern_of_bytes in _STARTS.items():
        if pattern_of_bytes.match(start):
            return kind
    return None


def refuses_programs(content_type: str, body: bytes) -> bool:
    """Tell whether a 403 may be about the `User-Agent`: Cloudflare's own, or a page."""
    return bool(_CLOUDFLARE.search(body)) or page_kind(content_type, body) == "HTML"
