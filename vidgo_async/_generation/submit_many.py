"""`submit_many`: many purchases at once."""

import asyncio
from collections.abc import Sequence

import anyio

from vidgo_async._core.errors import SubmissionUnknownError, SubmitErrorGroup, VidgoError
from vidgo_async._core.models import Request, Task
from vidgo_async._generation.breaker import Breaker
from vidgo_async._generation.submitter import Submitter
from vidgo_async.requests import PreparedRequest

AT_ONCE = 32
"""Submits that begin in one iteration of the loop."""


class SubmitMany:
    """The purchases of one `submit_many`."""

    def __init__(self, submitter: Submitter, callback_url: str | None, max_concurrent: int) -> None:
        self.submitter = submitter
        self.callback_url = callback_url
        self.accepted: dict[int, Task] = {}
        self.failed: dict[int, VidgoError] = {}
        self._breaker = Breaker()
        self._slots = asyncio.Semaphore(max_concurrent)

    async def run(self, requests: Sequence[Request]) -> list[Task]:
        """Buy a task for each request; wait for every POST before raising.

        Raises:
            SubmitErrorGroup: Some were not accepted.
        """
        try:
            async with anyio.create_task_group() as group:
                for index, request in enumerate(requests):
                    group.start_soon(self._submit, index, request)
                    if index % AT_ONCE == AT_ONCE - 1:  # a long list must not hold the loop
                        await asyncio.sleep(0)
        except BaseException:
            self._add_unclaimed()
            raise
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
                self.accepted[index] = await self.submitter.submit(
                    prepared, links, self.callback_url, breaker=self._breaker
                )
        except VidgoError as error:
            self.failed[index] = error
        except Exception as other:  # noqa: BLE001 - one request must not stop its siblings
            self.failed[index] = VidgoError.wrapping(other)

    def _add_unclaimed(self) -> None:
        """Record what was bought for a caller who was cancelled."""
        for task in self.accepted.values():
            self.submitter.add_unclaimed(task)
        for error in self.failed.values():
            if isinstance(error, SubmissionUnknownError):
                self.submitter.add_unclaimed(error)
