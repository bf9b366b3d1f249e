"""The endpoints of the API, each called once: one exchange, and what the response means.

The caller holds a permit of the limiter; every response tells it what the server allows.
"""

import logging
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar, TypeVarTuple
from urllib.parse import quote

from vidgo_async._api import wire
from vidgo_async._api.body_stream import Body
from vidgo_async._api.limiter import Limiter, Permit
from vidgo_async._api.recent_tasks import RecentTasks
from vidgo_async._api.responses import Response, data_of
from vidgo_async._api.send_state import SendState
from vidgo_async._api.submit_body import SubmitBody
from vidgo_async._api.transport import Post, Transport
from vidgo_async._core.concurrency import LARGE, Threads
from vidgo_async._core.errors import RateLimitError, TransportError, VidgoError
from vidgo_async._core.models import Balance, Task, TaskStatus, UploadedFile

logger: logging.Logger = logging.getLogger("vidgo_async")

POLL_TIMEOUT = 10.0
"""Seconds; the longest that one poll may take, so that a hung one delays little."""
MAX_WARNINGS = 100
"""How many different surprises of the server are logged before it is enough."""

_Context = TypeVar("_Context")
_Value = TypeVar("_Value")
_Args = TypeVarTuple("_Args")
_KNOWN_STATES = frozenset(TaskStatus)
_SUCCESS = range(200, 300)
_PLAIN = re.compile("[A-Za-z0-9_-]+").fullmatch


class Api:
    """The endpoints as functions from values to values."""

    def __init__(self, limiter: Limiter, transport: Transport, threads: Threads) -> None:
        self.limiter = limiter
        self.transport = transport
        self.threads = threads
        self.recent_tasks: RecentTasks = RecentTasks()
        self._warned: set[str] = set()

    @property
    def poll_timeout(self) -> float:
        """Seconds; the longest that one poll may take."""
        return min(POLL_TIMEOUT, self.transport.request_timeout)

    async def submit(self, submit: SubmitBody, state: SendState, permit: Permit) -> Task:
        """Send a submit once (`POST /api/generate/submit`)."""
        try:
            response = await self.transport.exchange(
                "/api/generate/submit",
                timeout=self.transport.request_timeout,
                post=Post(submit.body, state, submit.secret),
            )
        except TransportError as failure:
            # The id may have come before the connection was lost.
            task = wire.read_cut_sale(failure.status, failure.body, _origin(submit))
            if task is None:
                raise
            self._warn_once("the answer to a submit broke off after the task_id: taken as bought")
        else:
            try:
                task = await self._read_post(wire.read_submitted, response, _origin(submit))
            except RateLimitError as error:
                permit.refused(error)
                raise
            if response.status not in _SUCCESS:
                what = f"HTTP {response.status} with a task_id answered a submit"
                self._warn_once(f"{what}: taken as bought")
        at = self.limiter.now()
        self.limiter.tasks.bought(task.task_id, at)
        permit.accepted(at)
        self.recent_tasks.note(task, at)
        self._warn_of_surprises(task, task.raw or {})
        return task

    async def status(
        self,
        known: Task,
        permit: Permit,
        *,
        timeout: float | None = None,
        digest: int | None = None,
        keeps_raw: bool = True,
    ) -> tuple[Task, int]:
        """Poll a task once (`GET /api/generate/status/{task_id}`).

        Args:
            known: The task as last known.
            permit: The caller's.
            timeout: Seconds for the poll; `poll_timeout` by default.
            digest: That of the response from which `known` was read; an equal one is not read again.
            keeps_raw: Whether `raw` is kept of a task that has not ended too.

        Returns:
            The task, which is `known` itself if the response is the same as before; and the digest
            of the response.

        Raises:
            VidgoError: The poll failed; the error carries the task as it was known.
        """
        try:
            response = await self.transport.exchange(
                f"/api/generate/status/{_quoted(known.task_id)}",
                timeout=timeout or self.poll_timeout,
            )
            found = hash((response.status, response.body))
            if found == digest:
                task = known
            else:
                data = self._read(permit, data_of, response)
                task = wire.read_task(response, data, known, keeps_raw=keeps_raw)
                self._warn_of_surprises(task, data)
        except VidgoError as error:
            error.about(known)
            raise
        at = self.limiter.now()
        permit.accepted(at)
        self.recent_tasks.note(task, at)
        if task.done:
            self.limiter.tasks.ended(task.task_id, at)
        return task, found

    async def balance(self, permit: Permit) -> Balance:
        """Ask what is left on the account (`GET /api/user/balance`)."""
        response = await self.transport.exchange(
            "/api/user/balance", timeout=self.transport.request_timeout
        )
        balance = self._read(permit, wire.read_balance, response)
        permit.accepted(self.limiter.now())
        return balance

    async def upload(
        self, endpoint: str, body: Body, *, timeout: float, state: SendState
    ) -> UploadedFile:
        """Upload a file once (`POST /api/common/upload/{endpoint}`).

        The limiter learns nothing from it: these endpoints have a limit of their own.

        Args:
            endpoint: `stream`, `base64` or `url`.
            body: What that endpoint takes.
            timeout: Seconds for the whole upload, however well it goes on.
            state: Told when the request may be on its way.
        """
        uploaded_at = datetime.now(UTC)
        response = await self.transport.exchange(
            f"/api/common/upload/{endpoint}", timeout=timeout, post=Post(body, state)
        )
        return await self._read_post(wire.read_uploaded, response, uploaded_at)

    async def _read_post(
        self, read: Callable[[Response, _Context], _Value], response: Response, context: _Context
    ) -> _Value:
        """Read the response to a POST, which may be large."""
        if len(response.body) < LARGE:
            return read(response, context)
        return await self.threads.run(read, response, context)

    def _read(self, permit: Permit, read: Callable[[*_Args], _Value], *arguments: *_Args) -> _Value:
        """Read a response, and tell the limiter of a refusal."""
        try:
            return read(*arguments)
        except RateLimitError as error:
            permit.refused(error)
            raise

    def _warn_of_surprises(self, task: Task, data: Mapping[str, Any]) -> None:
        """Log, once each, what the API's documents do not mention."""
        if task.status not in _KNOWN_STATES:
            self._warn_once(f"unknown task status {task.status[:80]!r}: taken as not finished yet")
        for field in wire.unexpected_fields(task, data):
            self._warn_once(f"unexpected type of a task's field, taken as missing: {field}")

    def _warn_once(self, warning: str) -> None:
        if warning not in self._warned and len(self._warned) < MAX_WARNINGS:
            self._warned.add(warning)
            logger.warning(warning)


def _quoted(task_id: str) -> str:
    # Most ids need no quoting, and to see that costs a fourth of it.
    return task_id if _PLAIN(task_id) else quote(task_id, safe="", errors="surrogatepass")


def _origin(submit: SubmitBody) -> wire.Origin:
    return wire.Origin(submit.model, datetime.now(UTC), submit.duration)
