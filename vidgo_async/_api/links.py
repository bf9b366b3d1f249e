"""Links in messages: signed ones carry secrets, and are long."""

import re

_QUERY = re.compile(r"(?i)(\bhttps?://[^\s?#'\"<>]*)\?[^\s'\"<>]*")


def without_queries(text: str) -> str:
    """Shorten every http(s) link in a text: scheme, host and path stay, the query goes."""
    return _QUERY.sub(r"\1?…", text)
