"""Sessions for a sandbox, and requests to submit."""

from typing import Any

from vidgo_async import (
    FixedPolling,
    GrokImagine,
    RetryPolicy,
    SubmissionUnknownError,
    Task,
    VidgoSession,
)
from vidgo_async.sandbox import Sandbox

FOX = GrokImagine(prompt="a fox in snow")


def open_session(sandbox: Sandbox, **settings: Any) -> VidgoSession:
    """Make a session for a sandbox; `async with` opens it."""
    settings.setdefault("polling", FixedPolling(2.0))
    settings.setdefault("retry", RetryPolicy(timeout=30.0))
    return VidgoSession(sandbox.api_key, base_url=sandbox.url, **settings)


def foxes(count: int) -> list[GrokImagine]:
    """Make that many requests that can be told apart."""
    return [GrokImagine(prompt=f"fox {number}") for number in range(count)]


def ids(things: "list[Task] | tuple[Task | SubmissionUnknownError, ...]") -> list[str | None]:
    """Name tasks, and None for whatever has no id."""
    return [thing.task_id for thing in things]


def new_session() -> VidgoSession:
    """Make a session that never gets to a server."""
    return VidgoSession("a-key-for-tests", base_url="http://127.0.0.1:9")
