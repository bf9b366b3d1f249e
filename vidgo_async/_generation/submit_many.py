"""Buying many tasks at once: what `submit_many` does."""

import asyncio
from collections.abc import Iterator, Sequence

import anyio

from vidgo_async._core.errors import (
    SubmissionUnknownError,
    SubmitErrorGroup,
    VidgoError,
)
from vidgo_async._core.models import Task
from vidgo_async._generation.resend import Gate, Request
from vidgo_async._generation.submitter import Purchases
from vidgo_async.requests import sources_of


class Bulk:
    """The purchases of one `submit_many`."""

    def __init__(self, purchases: Purchases, callback_url: str | None) -> None:
        self.purchases = purchases
        self.callback_url = callback_url
        self.accepted: dict[int, Task] = {}
        self.failed: dict[int, VidgoError] = {}
        self._gate = Gate()

    async def submit(self, requests: Sequence[Request], at_once: int) -> list[Task]:
        """Buy a task for each request; let every POST settle before raising.

        Raises:
            SubmitErrorGroup: Some were not accepted.
        """
        turns = asyncio.Semaphore(at_once)
        ready = [each for each in enumerate(requests) if not sources_of(each[1])]
        waiting = iter(ready)
        try:
            async with anyio.create_task_group() as group:
                for _ in range(min(at_once, len(ready))):
                    group.start_soon(self._buy_all, waiting, turns)
                # Each waits for its upload by itself, and so keeps no other from its turn.
                for each in enumerate(requests):
                    if sources_of(each[1]):
                        group.start_soon(self._buy_all, iter([each]), turns)
        except BaseException:
            self._leave()
            raise
        if self.failed:
            message = f"{len(self.failed)} of {len(requests)} requests were not accepted"
            raise SubmitErrorGroup(message, self.accepted, self.failed)
        return [self.accepted[index] for index in range(len(requests))]

    async def _buy_all(
        self, waiting: Iterator[tuple[int, Request]], turns: asyncio.Semaphore
    ) -> None:
        """Buy one after the other.

        A request's time under the retry policy begins when its turn has come, so that a long
        list on a slow server does not run out of it.
        """
        for index, request in waiting:
            try:
                submission = await self.purchases.prepare(request, self.callback_url, self._gate)
                async with turns:
                    task = await self.purchases.submit(submission, gate=self._gate)
                self.accepted[index] = task
            except VidgoError as error:
                self.failed[index] = error
            except Exception as other:  # noqa: BLE001 - one request must not stop its siblings
                self.failed[index] = VidgoError.wrapping(other)

    def _leave(self) -> None:
        """Record what was bought for a caller who was cancelled."""
        for task in self.accepted.values():
            self.purchases.leave(task)
        for error in self.failed.values():
            if isinstance(error, SubmissionUnknownError):
                self.purchases.leave(error)
