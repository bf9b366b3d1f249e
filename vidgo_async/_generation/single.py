"""One request, run to its end for a caller who waits for it."""

import attrs

from vidgo_async._core.concurrency import now
from vidgo_async._core.models import Request, Task, as_in_flight
from vidgo_async._generation.records import RequestRecord, note
from vidgo_async._generation.submitter import Submitter
from vidgo_async._polling.completions import OnUpdate, wait_for_end


@attrs.define(kw_only=True, eq=False, repr=False)
class Single:
    """One request, run to its end; its timeout begins when its uploads are done."""

    submitter: Submitter
    request: Request
    callback_url: str | None
    timeout: float | None
    on_update: OnUpdate | None
    record: RequestRecord | None
    _started_at: float = attrs.field(init=False, default=0.0)

    async def buy(self) -> Task:
        """Buy a task, or return the one that an earlier run bought."""
        if self.record is not None:
            task = await self.record.recall(retry_failed=True)
            if task is not None:
                self._started_at = now()
                return task
        links = await self.submitter.upload_media(self.request)
        self._started_at = now()
        deadline = None if self.timeout is None else self._started_at + self.timeout
        return await self.submitter.submit(
            self.request, links, self.callback_url, deadline=deadline, record=self.record
        )

    async def wait(self, task: Task) -> Task:
        """Wait until the task has ended."""
        if self.on_update is not None:
            self.on_update(task)
        if self.record is not None and self.record.has_ended:
            return task
        ended = await wait_for_end(
            self.submitter.poller,
            as_in_flight(task),
            timeout=self.timeout,
            started_at=self._started_at,
            on_update=self.on_update,
        )
        if self.record is not None:
            await note(self.record.ended(ended))
        return ended
