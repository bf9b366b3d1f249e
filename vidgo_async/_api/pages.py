"""What gateways and proxies in front of the API answer: pages, of which a message shows the start."""

import re

from vidgo_async._api.http_headers import Headers
from vidgo_async._api.links import without_queries

MAX_WORDS = 120
"""Characters of a body that a message shows."""
_READ = 16 * 1024
"""Bytes of a body that are searched for words."""
_TITLE = re.compile(r"(?i)<title[^<>]{0,200}>([^<]{0,1000})")
_MARKUP = re.compile(
    r"(?is)<(script|style|head)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)|<[^>]*(?:>|\Z)"
)


def is_page(headers: Headers, body: bytes) -> bool:
    """Tell whether a body is HTML or XML, which the API itself never sends."""
    kind = headers.get("Content-Type", "").lower()
    return body.lstrip()[:1] == b"<" or (bool(body) and kind.startswith("text/html"))


def first_words(body: bytes) -> str:
    """Return the title of a page, or the first words of any other body; empty if it has none."""
    text = body[:_READ].decode("utf-8", "replace")
    found = _TITLE.search(text)
    title = _plain(found[1]) if found else ""
    return title or (_plain(_MARKUP.sub(" ", text)) if "<" in text else _plain(text))


def _plain(text: str) -> str:
    import html  # noqa: PLC0415 - its table is a hundredth of our import, and only errors need it

    words = " ".join(html.unescape(text).split())
    shown = "".join(each if each.isprintable() else "\ufffd" for each in words)
    cut = shown if len(shown) <= MAX_WORDS else f"{shown[: MAX_WORDS - 1]}…"
    return without_queries(cut)
