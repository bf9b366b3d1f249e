"""`submit_many`: many purchases at once."""

import asyncio
from collections.abc import Sequence

from vidgo_async._core.concurrency import TaskSet
from vidgo_async._core.errors import (
    NotSentError,
    SubmissionUnknownError,
    SubmitErrorGroup,
    VidgoError,
)
from vidgo_async._core.models import Request, Task
from vidgo_async._core.pieces import Pieces
from vidgo_async._generation.breaker import Breaker
from vidgo_async._generation.resend import cancelled_by_other_code
from vidgo_async._generation.submitter import Submitter
from vidgo_async.requests import PreparedRequest

AT_ONCE = 32
"""Submits that begin in one iteration of the loop."""
_LEFT = "the caller of submit_many left first: nothing was bought"


class SubmitMany:
    """The purchases of one `submit_many`."""

    def __init__(self, submitter: Submitter, callback_url: str | None, max_concurrent: int) -> None:
        self.submitter = submitter
        self.callback_url = callback_url
        self.accepted: dict[int, Task] = {}
        self.failed: dict[int, VidgoError] = {}
        self._breaker = Breaker()
        self._slots = asyncio.Semaphore(max_concurrent)
        self._jobs = TaskSet()
        self._is_left = False

    async def run(self, requests: Sequence[Request]) -> list[Task]:
        """Buy a task for each request; wait for every POST before raising.

        Raises:
            SubmitErrorGroup: Some were not accepted.
        """
        try:
            for index, request in enumerate(requests):
                _ = self._jobs.start(self._submit(index, request))
                if index % AT_ONCE == AT_ONCE - 1:  # a long list must not hold the loop
                    await asyncio.sleep(0)
            await self._jobs.join()
        except BaseException as error:
            self._leave()
            if not isinstance(error, GeneratorExit):  # closed, a coroutine may not wait
                await self._jobs.wait()
            raise
        for index in range(len(requests)):
            if index not in self.accepted and index not in self.failed:
                self.failed[index] = cancelled_by_other_code()
        if self.failed:
            message = f"{len(self.failed)} of {len(requests)} requests were not accepted"
            raise SubmitErrorGroup(message, self.accepted, self.failed)
        return [self.accepted[index] for index in range(len(requests))]

    async def _submit(self, index: int, request: Request) -> None:
        try:
            prepared = PreparedRequest(request)
            links = await self.submitter.upload_media(prepared, self._breaker)
            # The retry policy's time begins with the slot: a long list must not run out of it.
            async with self._slots:
                self.accepted[index] = task = await self.submitter.submit(
                    prepared, links, self.callback_url, breaker=self._breaker
                )
            self._record(task)
        except VidgoError as error:
            # In the group it needs no traceback, which would hold the request's body.
            self.failed[index] = error.with_traceback(None)
            self._record(error)
        except Exception as other:  # noqa: BLE001 - one request must not stop its siblings
            self.failed[index] = VidgoError.wrapping(other)

    def _leave(self) -> None:
        """End what is not sent yet, and record what was bought for a caller who is gone."""
        self._is_left = True
        for task in self.accepted.values():
            self._record(task)
        for error in self.failed.values():
            self._record(error)
        self._breaker.open(NotSentError(_LEFT))  # of many, the last are cancelled a little later
        _ = Pieces(list(self._jobs), lambda job: job.cancel())

    def _record(self, what: Task | VidgoError) -> None:
        if self._is_left and isinstance(what, Task | SubmissionUnknownError):
            self.submitter.add_unclaimed(what)
