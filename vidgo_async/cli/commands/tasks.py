"""`status`, `wait` and `download`: tasks that were bought before, by their ids."""

from pathlib import Path
from typing import TYPE_CHECKING

from vidgo_async._core.errors import VidgoError
from vidgo_async._core.models import Task
from vidgo_async._session.arguments import check_timeout
from vidgo_async.cli.inputs.arguments import as_output_folder, as_task_ids, usage_errors
from vidgo_async.cli.options import Common, Out, TaskId, Timeout
from vidgo_async.cli.outputs.console import Console
from vidgo_async.cli.outputs.report import Report, task_record
from vidgo_async.cli.running.run import for_each, run
from vidgo_async.cli.running.server import Server

if TYPE_CHECKING:
    from vidgo_async._session.session import VidgoSession


def status(*task_ids: TaskId, common: Common = Common()) -> int:  # noqa: B008 - frozen
    """Poll each task once, and print how far it is."""
    report = Report(Console(common))
    with usage_errors():
        known_ids = as_task_ids(task_ids)
        server = Server.of(common)
    found = dict[str, Task]()

    async def poll(vidgo: "VidgoSession", task_id: str) -> None:
        try:
            found[task_id] = await vidgo.get_task(task_id)
        except VidgoError as error:
            report.print_error(task_id, error)

    ended = run(for_each(poll, known_ids), report, server.open)
    records = [task_record(found[task_id]) for task_id in known_ids if task_id in found]
    report.console.table(("task_id", "status", "progress", "credits", "error"), records)
    return ended


def wait(
    *task_ids: TaskId,
    out: Out = Path(),
    timeout: Timeout = 900.0,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Wait for tasks, all at once, and save the files of each as it finishes."""
    with usage_errors():
        known_ids = as_task_ids(task_ids)
        check_timeout(timeout)
        server = Server.of(common)
        report = Report(Console(common), as_output_folder(out))

    async def wait_and_save(vidgo: "VidgoSession", task_id: str) -> None:
        report.unsaved.add(task_id)
        try:
            task = await vidgo.wait(task_id, timeout=timeout, on_update=report.on_update)
        except VidgoError as error:
            report.add_failure(task_id, error)
        else:
            await report.save(vidgo.download, task)

    return run(for_each(wait_and_save, known_ids, report.write_page), report, server.open)


def download(
    *task_ids: TaskId,
    out: Out = Path(),
    common: Common = Common(),  # noqa: B008
) -> int:
    """Save the files of tasks that finished, without waiting for the others."""
    with usage_errors():
        known_ids = as_task_ids(task_ids)
        server = Server.of(common)
        report = Report(Console(common), as_output_folder(out))

    async def poll_and_save(vidgo: "VidgoSession", task_id: str) -> None:
        try:
            task = await vidgo.get_task(task_id)
        except VidgoError as error:
            report.add_failure(task_id, error)
            return
        if task.done:
            await report.save(vidgo.download, task)
        else:
            report.add_failure(task_id, VidgoError(f"not finished yet: {task.status}"))

    return run(for_each(poll_and_save, known_ids, report.write_page), report, server.open)
