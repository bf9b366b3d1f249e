"""Links to files: sent as they were given, since many are signed.

Only what no request line can carry is percent-encoded: blanks, control characters and everything
that is not ASCII. A signature is over the other bytes as they are.
"""

import re
from urllib.parse import quote, urljoin

from yarl import URL

from vidgo_async._api.links import without_queries
from vidgo_async._core.models import Task

SCHEMES = frozenset({"http", "https"})
MAX_SHOWN = 200
"""Characters of a link in a message."""

_WEB = re.compile(r"(?i)\s*https?://")
_ABSOLUTE = re.compile(r"(?i)([a-z][a-z0-9+.-]*)://([^/?#]*)(.*)")
_UNSENDABLE = re.compile(r"[^!-~]+")


def is_web(link: str) -> bool:
    """Tell whether this looks like an http(s) address."""
    return _WEB.match(link) is not None


def parse_link(link: str) -> URL:
    """Make an address of a link, which is not quoted anew.

    Raises:
        ValueError: It can never work.
    """
    found = _ABSOLUTE.fullmatch(_sendable(link.strip()))
    scheme, authority, rest = found.groups() if found else ("", "", "")
    if scheme.lower() not in SCHEMES:
        msg = f"not an http(s) address: {shown(link)!r}"
        raise ValueError(msg)
    if "%" in authority:  # a name that is not ASCII: yarl knows how to write it
        authority = URL(link.strip()).raw_authority
    url = URL(f"{scheme.lower()}://{authority}{rest}", encoded=True)
    if not url.raw_host:
        msg = f"no host in {shown(link)!r}"
        raise ValueError(msg)
    return url


def redirect_target(base: URL, location: str) -> URL:
    """Resolve the `Location` of a redirect; its parts stay as they are.

    Raises:
        ValueError: It can never work.
    """
    location = location.strip()
    if location.startswith("//"):
        location = f"{base.scheme}:{location}"
    elif location.startswith("/"):
        location = f"{base.scheme}://{base.raw_authority}{location}"
    elif not re.match(r"(?i)[a-z][a-z0-9+.-]*:", location):
        location = urljoin(str(base), _sendable(location))
    return parse_link(location)


def fresh_link(known: str, task: Task) -> str | None:
    """Return the link that a task has now for the same file: of the same path, or the only one."""
    links = [file.file_url for file in task.files if is_web(file.file_url)]
    same = [link for link in links if _path(link) == _path(known)]
    found = same or links
    return found[0] if len(found) == 1 else None


def shown(link: str) -> str:
    """Return a link for a message: without its query, which may be a signature."""
    return without_queries(link.strip())[:MAX_SHOWN]


def _sendable(text: str) -> str:
    return _UNSENDABLE.sub(lambda found: quote(found[0], safe="", errors="surrogateescape"), text)


def _path(link: str) -> str:
    return link.strip().partition("#")[0].partition("?")[0].split("/", 3)[-1]
