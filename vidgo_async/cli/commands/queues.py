"""The commands of the queue: what is in it, and a worker."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
from cyclopts import Parameter

from vidgo_async._core.errors import JournalError
from vidgo_async._core.validators import check_count
from vidgo_async._generation.outcome import Outcome
from vidgo_async._session.arguments import check_timeout
from vidgo_async.cli.commands.journals import print_entry
from vidgo_async.cli.inputs.arguments import as_output_folder, as_requests, check_some, usage_errors
from vidgo_async.cli.options import Common, Image, MaxInFlight, Model, Out, Settings, Timeout
from vidgo_async.cli.outputs.console import Console
from vidgo_async.cli.outputs.report import Report, about, task_record
from vidgo_async.cli.running.run import Job, run
from vidgo_async.cli.running.server import Server
from vidgo_async.journal import Entry, EntryState
from vidgo_async.requests import GrokImagine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from vidgo_async._session.session import VidgoSession
    from vidgo_async.queue.queue import BatchQueue

Url = Annotated[str, Parameter(help="The database, postgresql://user@host/name.")]
Batch = Annotated[str, Parameter(help="The name of a batch.")]
EntryId = Annotated[int, Parameter(help="The number of an entry, as `queue status` prints it.")]


def work(
    url: Url,
    /,
    *,
    max_in_flight: MaxInFlight = 16,
    out: Out | None = None,
    timeout: Timeout = 900.0,
    common: Common = Common(),  # noqa: B008 - frozen, as all below
) -> int:
    """Run requests of all batches until a signal comes; what is under way is handed over."""
    with usage_errors():
        check_count("--max-in-flight", max_in_flight)
        check_timeout(timeout)
        queue = _queue(url)
        server = Server.of(common)
        folder = None if out is None else as_output_folder(out)
    report = Report(Console(common), folder or Path())

    def on_outcome(outcome: Outcome) -> None:
        what = about(outcome)
        if outcome.error is not None:
            report.print_error(what, outcome.error)
        else:
            line = f"{what}: {', '.join(map(str, outcome.paths)) or 'finished'}"
            report.console.result(line, task_record(outcome.task, outcome.paths))

    async def job(vidgo: "VidgoSession") -> None:
        await queue.work(
            vidgo,
            max_in_flight=max_in_flight,
            timeout=timeout,
            download_to=folder,
            on_outcome=on_outcome,
        )

    return run(Job(run=job, journal=queue), report, server.open)


def install(url: Url, /, *, common: Common = Common()) -> int:  # noqa: B008
    """Make the tables, if they are not there."""

    async def job(queue: "BatchQueue", _: Report) -> None:
        await queue.install()

    return _run(url, common, job)


def add(
    url: Url,
    batch: Batch,
    /,
    *prompts: Annotated[str, Parameter(help="One video each.")],
    model: Model = GrokImagine.model,
    settings: Settings = None,
    image: Image = None,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Add a request for each prompt; what the batch knows already is not added again."""
    with usage_errors():
        check_some("prompts", prompts)
        requests = as_requests(prompts, model, settings or [], image)

    async def job(queue: "BatchQueue", report: Report) -> None:
        new = await queue.add(batch, requests)
        record = {"batch": batch, "added": new, "requests": len(requests)}
        report.console.result(f"{new} of {len(requests)} added to {batch}", record)

    return _run(url, common, job)


def status(
    url: Url,
    batch: Batch | None = None,
    /,
    *,
    state: Annotated[EntryState | None, Parameter(help="Only the entries in this state.")] = None,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Print how far all batches are, or the entries of one."""

    async def job(queue: "BatchQueue", report: Report) -> None:
        if batch is None:
            for name, counts in (await queue.counts()).items():
                states = ", ".join(f"{count} {state}" for state, count in counts.items())
                record = {str(state): count for state, count in counts.items()}
                report.console.result(f"{name}: {states or 'empty'}", {"batch": name, **record})
            return
        for entry in await queue.entries(batch, state):
            print_entry(report.console, entry)

    return _run(url, common, job)


def retry(url: Url, batch: Batch, /, *, common: Common = Common()) -> int:  # noqa: B008
    """Send what failed or was refused, and go on with what ended in an error."""

    async def job(queue: "BatchQueue", report: Report) -> None:
        count = await queue.retry(batch)
        record = {"batch": batch, "retried": count}
        report.console.result(f"{count} of {batch} are tried again", record)

    return _run(url, common, job)


def adopt(
    url: Url,
    batch: Batch,
    entry_id: EntryId,
    task_id: Annotated[str, Parameter(help="The task that was found for it.")],
    /,
    *,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Go on with a task that was found for an entry whose outcome is unknown."""

    async def job(queue: "BatchQueue", _: Report) -> None:
        await queue.adopt(await _entry(queue, batch, entry_id), task_id)

    return _run(url, common, job)


def forget(
    url: Url,
    batch: Batch,
    entry_id: EntryId,
    /,
    *,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Send an entry whose outcome is unknown: no task was found for it."""

    async def job(queue: "BatchQueue", _: Report) -> None:
        await queue.forget(await _entry(queue, batch, entry_id))

    return _run(url, common, job)


def _queue(url: str) -> "BatchQueue":
    """Return a queue.

    Raises:
        ValueError: It is no address, or the extra is not installed.
    """
    try:
        from vidgo_async.queue.queue import BatchQueue  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ValueError(str(error)) from error
    return BatchQueue(url)


def _run(url: str, common: Common, job: "Callable[[BatchQueue, Report], Awaitable[None]]") -> int:
    """Do something with an open queue; return the exit status."""
    with usage_errors():
        queue = _queue(url)
        report = Report(Console(common))
    return anyio.run(functools.partial(_with_queue, queue, report, job))


async def _with_queue(
    queue: "BatchQueue", report: Report, job: "Callable[[BatchQueue, Report], Awaitable[None]]"
) -> int:
    try:
        async with queue:
            await job(queue, report)
    except (JournalError, ValueError) as error:
        report.print_error("queue", error)
    return int(report.failed > 0)


async def _entry(queue: "BatchQueue", batch: str, entry_id: int) -> Entry:
    for entry in await queue.entries(batch):
        if entry.id == entry_id:
            return entry
    msg = f"there is no entry {entry_id} in {batch}"
    raise JournalError(msg)
