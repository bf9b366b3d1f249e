"""One job for each entry, by procrastinate, which runs it at least once.

Nothing outside this file knows procrastinate, but for `schema.py` and what `worker.py` asks it.
"""

import contextlib
from collections.abc import Awaitable, Callable, Generator, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import procrastinate
from procrastinate import exceptions, jobs, manager
from psycopg.errors import RaiseException

from vidgo_async.queue.database import Connection, Database, configure, logger

QUEUE = "vidgo"
TASK = "vidgo.generate"
AT_ONCE = datetime.fromtimestamp(0, UTC)
"""Not the time now: clocks of machines differ."""

FETCH_INTERVAL = 1.0
"""Seconds between two fetches of jobs."""

RunEntry = Callable[[int], Awaitable[None]]
"""Runs the entry of a job."""


class AgainError(Exception):
    """The job is to run again, a while later."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Jobs:
    """The jobs in a database."""

    def __init__(self, database: Database) -> None:
        connector = procrastinate.PsycopgConnector(configure=configure)  # of the one that listens
        self.app: procrastinate.App = procrastinate.App(connector=connector)
        self.app.job_manager = PatientManager(connector, database)
        self.app.task(name=TASK, queue=QUEUE, pass_context=True, retry=_HandOver())(_run)
        self._database = database

    async def open(self) -> None:
        """Use the connections of an open database."""
        await self.app.open_async(self._database.pool)

    async def defer(self, connection: Connection, entry_ids: Sequence[int]) -> None:
        """Make a job for each of these entries, in a transaction."""
        if entry_ids:
            deferrer = self.app.configure_task(TASK, connection=connection)
            arguments: list[dict[str, Any]] = [{"entry_id": each} for each in entry_ids]
            with _unwrapped():
                await deferrer.batch_defer_async(*arguments)

    async def work(self, run: RunEntry, *, max_in_flight: int, dead_after: float) -> None:
        """Run jobs until this is cancelled, or the connection broke.

        Raises:
            psycopg.Error: What the database said.
        """
        with _unwrapped():
            await self.app.run_worker_async(
                queues=[QUEUE],
                name=QUEUE,
                concurrency=max_in_flight,
                install_signal_handlers=False,
                fetch_job_polling_interval=FETCH_INTERVAL,  # no notification tells of jobs that run again
                shutdown_graceful_timeout=0.0,
                delete_jobs=jobs.DeleteJobCondition.SUCCESSFUL,
                update_heartbeat_interval=dead_after / 3,
                stalled_worker_timeout=dead_after,
                additional_context={"run": run},
            )

    async def rescue(
        self, dead_after: float, *, only_left: bool, check: Callable[[], Awaitable[object]]
    ) -> None:
        """Let jobs run again whose worker has left, or was not seen for a while.

        Args:
            dead_after: Seconds.
            only_left: Whether those not seen may be alive all the same.
            check: Raises if another process does this by now.
        """
        stalled = await self.app.job_manager.get_stalled_jobs(
            queue=QUEUE, seconds_since_heartbeat=dead_after
        )
        for job in [job for job in stalled if job.worker_id is None or not only_left]:
            await check()
            await self.app.job_manager.retry_job(job, retry_at=AT_ONCE)
            logger.info("job %s of a dead worker runs again", job.id)


@contextlib.contextmanager
def _unwrapped() -> Generator[None]:
    """Raise what the database said, which procrastinate wraps."""
    try:
        yield
    except exceptions.ConnectorException as error:
        raise error.__cause__ or error from None


async def _run(context: procrastinate.JobContext, entry_id: int) -> None:
    given = cast("dict[str, RunEntry]", context.additional_context)  # pyright: ignore[reportUnknownMemberType] - no type is told
    await given["run"](entry_id)


class _HandOver(procrastinate.BaseRetryStrategy):
    """A worker that leaves hands its jobs over; others run again if they ask for it."""

    def get_retry_decision(
        self, *, exception: BaseException, job: jobs.Job
    ) -> procrastinate.RetryDecision:
        """Tell whether a job that ended so runs again."""
        _ = job
        if isinstance(exception, AgainError):
            return procrastinate.RetryDecision(retry_in={"seconds": exception.seconds})
        return procrastinate.RetryDecision(retry_at=AT_ONCE)  # it was cancelled


class PatientManager(manager.JobManager):
    """Waits for the database where procrastinate's worker would give a job, or itself, up.

    Where another has the job by now, since this process had slept, that is no error: entries are
    fenced by their claims.
    """

    def __init__(self, connector: procrastinate.PsycopgConnector, database: Database) -> None:
        super().__init__(connector)
        self._database = database

    async def finish_job(self, *arguments: Any, **named: Any) -> None:
        """End a job."""
        finish = super().finish_job
        await self._patiently(lambda: finish(*arguments, **named))

    async def retry_job(self, *arguments: Any, **named: Any) -> None:
        """Let a job run again."""
        retry = super().retry_job
        await self._patiently(lambda: retry(*arguments, **named))

    async def update_heartbeat(self, worker_id: int) -> None:
        """Be alive: a worker whose heartbeat once fails has none any more, and goes on."""
        update = super().update_heartbeat
        await self._patiently(lambda: update(worker_id))

    async def listen_for_jobs(self, *arguments: Any, **named: Any) -> None:
        """Listen for new jobs, until this is cancelled."""
        listen = super().listen_for_jobs
        await self._patiently(lambda: listen(*arguments, **named))

    async def unregister_worker(self, worker_id: int) -> None:
        """Leave."""
        unregister = super().unregister_worker
        await self._patiently(lambda: unregister(worker_id))

    async def _patiently(self, call: Callable[[], Awaitable[None]]) -> None:
        async def unless_taken() -> None:
            try:
                with _unwrapped():
                    await call()
            except RaiseException as refusal:
                logger.debug("a job is another worker's by now: %s", refusal)

        await self._database.patiently(unless_taken)
