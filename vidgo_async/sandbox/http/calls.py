"""What the sandbox remembers of each request."""

import sys

import attrs
from aiohttp import web
from multidict import CIMultiDictProxy


@attrs.define
class Call:
    """One request, and how it fares: the fields fill in as it goes."""

    name: str
    """`submit`, `status`, `balance`, `upload`, `file`, or `unknown` for any other path."""
    task_id: str | None = None
    """The task that it is about: the one of its path, or the one that it bought. For an upload,
    and for the download of one, the `file_id`."""
    sold: bool = False
    """Whether it bought a task."""
    fault: str | None = None
    """The name of the fault that struck it."""
    status: int | None = None
    """The HTTP status answered, whatever came of the body; None where no headers went out."""
    headers: CIMultiDictProxy[str] | None = attrs.field(default=None, eq=False, repr=False)
    """What a `file` and an `upload` were asked with, `Host` included; None for other calls."""


KEEP_HEADERS = frozenset({"file", "upload"})
"""The calls whose headers are kept: polls are too many."""

CALL = web.RequestKey("vidgo_call", Call)
"""Where a request keeps its record."""


def name_of(request: web.Request) -> str:
    """Return the name of the call: its route's."""
    return request.match_info.route.name or "unknown"


def open_record(request: web.Request) -> Call:
    """Begin the record of a request that came in."""
    task_id = request.match_info.get("task_id")
    # Interned, so that a task's many polls keep its id but once.
    call = Call(name_of(request), task_id and sys.intern(task_id))
    if call.name in KEEP_HEADERS:
        call.headers = request.headers
    request[CALL] = call
    return call


async def note_status(request: web.Request, response: web.StreamResponse) -> None:
    """Note what is about to be answered, however much of it then arrives."""
    # aiohttp itself turns down an `Expect` that it does not know, before anyone sees the request.
    if call := request.get(CALL):
        call.status = response.status
