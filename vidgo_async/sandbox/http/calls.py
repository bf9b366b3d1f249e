"""The record of each request."""

import sys

import attrs
from aiohttp import web
from multidict import CIMultiDictProxy


@attrs.define
class Call:
    """One request, and what became of it; the fields are set while it is handled."""

    name: str
    """`submit`, `status`, `balance`, `upload`, `file`, or `unknown` for any other path."""
    task_id: str | None = None
    """The task: the one in the path, or the one that was bought. For an upload, and for the
    download of one, the `file_id`."""
    sold: bool = attrs.field(default=False, kw_only=True)
    """Whether it bought a task."""
    fault: str | None = attrs.field(default=None, kw_only=True)
    """The name of the fault that was applied to it."""
    status: int | None = attrs.field(default=None, kw_only=True)
    """The HTTP status sent, even if the body was then cut; None if no headers were sent."""
    headers: CIMultiDictProxy[str] | None = attrs.field(
        default=None, eq=False, repr=False, kw_only=True
    )
    """The request's headers, `Host` included, of a `file` and an `upload`; None for others."""


CALLS_WITH_HEADERS = frozenset({"file", "upload"})
"""The calls whose headers are kept; polls are too many for that."""

FORCED_FAILURE = web.RequestKey("vidgo_forced_failure", str)
"""The key of the error message with which the task of a submit is to fail at once."""

CALL = web.RequestKey("vidgo_call", Call)
"""The key of the record among the data of a request."""


def call_name(request: web.Request) -> str:
    """Return the name of the call, which is that of its route."""
    return request.match_info.route.name or "unknown"


def start_record(request: web.Request) -> Call:
    """Make the record of a request that came in."""
    task_id = request.match_info.get("task_id")
    # Interned, so that the many polls of a task share one string.
    call = Call(call_name(request), task_id and sys.intern(task_id))
    if call.name in CALLS_WITH_HEADERS:
        call.headers = request.headers
    request[CALL] = call
    return call


async def record_status(request: web.Request, response: web.StreamResponse) -> None:
    """Record the status of a response that is about to be sent."""
    # aiohttp refuses an unknown `Expect` itself, before any middleware makes a record.
    if call := request.get(CALL):
        call.status = response.status
