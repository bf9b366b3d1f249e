"""The calls of the API, each once: a slot, one exchange, and what the answer means.

The caller holds a slot of the throttle; every answer teaches the throttle how fast to go.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar, TypeVarTuple
from urllib.parse import quote

import attrs

from vidgo_async._api import wire
from vidgo_async._api.body_stream import Body
from vidgo_async._api.limiter import Throttle
from vidgo_async._api.transport import Sending, Transport
from vidgo_async._core.errors import RateLimitError, VidgoError
from vidgo_async._core.models import Balance, Task, TaskStatus, UploadedFile

logger: logging.Logger = logging.getLogger("vidgo_async")

POLL_TIMEOUT = 10.0
"""Seconds; the longest that one poll is waited for, so that a hung one delays little."""
MAX_NOTICES = 100
"""How many different oddities are logged before it is enough."""

_Value = TypeVar("_Value")
_Args = TypeVarTuple("_Args")
_KNOWN_STATES = frozenset(TaskStatus)


class Api:
    """The endpoints as functions from values to values."""

    def __init__(self, throttle: Throttle, transport: Transport) -> None:
        self.throttle = throttle
        self.transport = transport
        self._noticed: set[str] = set()

    async def submit(self, submission: wire.Submission, sending: Sending) -> Task:
        """Send a submit once (`POST /api/generate/submit`)."""
        sent_at = _now()
        answer = await self.transport.exchange(
            "POST",
            "/api/generate/submit",
            scope=asyncio.timeout(self.transport.request_timeout),
            body=submission.body,
            secret=submission.callback_url,
            sending=sending,
        )
        task = self._learn(
            sent_at, wire.read_submitted, answer, submission.request.model, datetime.now(UTC)
        )
        return attrs.evolve(self._notice(task), duration=_duration(submission.request.input))

    @property
    def poll_timeout(self) -> float:
        """Seconds; the longest that one look is waited for."""
        return min(POLL_TIMEOUT, self.transport.request_timeout)

    async def status(self, known: Task, scope: asyncio.Timeout | None = None) -> Task:
        """Look at a task once (`GET /api/generate/status/{task_id}`).

        Args:
            known: The task as it was last seen.
            scope: Bounds the look, where the caller may want to cut it short.

        Raises:
            VidgoError: The look failed; the error carries the task as it was known.
        """
        path = "/api/generate/status/" + quote(known.task_id, safe="", errors="surrogatepass")
        scope = scope or asyncio.timeout(self.poll_timeout)
        sent_at = _now()
        try:
            answer = await self.transport.exchange("GET", path, scope=scope)
            task = self._learn(sent_at, wire.read_task, answer, known)
        except VidgoError as error:
            error.about(known)
            raise
        return self._notice(task)

    async def balance(self) -> Balance:
        """Ask what is left on the account (`GET /api/user/balance`)."""
        sent_at = _now()
        scope = asyncio.timeout(self.transport.request_timeout)
        answer = await self.transport.exchange("GET", "/api/user/balance", scope=scope)
        return self._learn(sent_at, wire.read_balance, answer)

    async def upload(
        self, endpoint: str, body: Body, sending: Sending, until: float
    ) -> UploadedFile:
        """Upload a file once (`POST /api/common/upload/{endpoint}`).

        The throttle learns nothing from it: these endpoints have a limit of their own.

        Args:
            endpoint: `stream`, `base64` or `url`.
            body: What that takes.
            sending: Set once the request may be on its way.
            until: The loop's time at which it must be done, however well it moves.
        """
        uploaded_at = datetime.now(UTC)
        answer = await self.transport.exchange(
            "POST",
            f"/api/common/upload/{endpoint}",
            scope=asyncio.timeout_at(until),
            body=body,
            sending=sending,
        )
        return wire.read_uploaded(answer, uploaded_at)

    def _learn(
        self, sent_at: float, read: Callable[[*_Args], _Value], *arguments: *_Args
    ) -> _Value:
        """Read an answer, and let the throttle know whether it refused."""
        try:
            value = read(*arguments)
        except RateLimitError as error:
            self.throttle.slow_down(sent_at, error.retry_after)
            raise
        self.throttle.speed_up(sent_at)
        return value

    def _notice(self, task: Task) -> Task:
        """Log, once each, what the documents do not know."""
        if task.status not in _KNOWN_STATES:
            self._log_once(f"unknown task status {task.status[:80]!r}: taken as not finished yet")
        for field in wire.odd_fields(task):
            self._log_once(f"unreadable field of a task, taken as missing: {field}")
        return task

    def _log_once(self, notice: str) -> None:
        if notice not in self._noticed and len(self._noticed) < MAX_NOTICES:
            self._noticed.add(notice)
            logger.warning(notice)


def _duration(parameters: Mapping[str, Any]) -> float | None:
    """Return the seconds that a request asks for, which some models take as text."""
    try:
        return float(parameters["duration"])
    except (KeyError, TypeError, ValueError):
        return None


def _now() -> float:
    return asyncio.get_running_loop().time()
