"""The commands: their options, and what each does with a session.

`program.py` holds their help texts, and imports this file when a command runs.
"""

import functools
from pathlib import Path
from typing import Annotated

import anyio
from cyclopts import Parameter

from vidgo_async._core.errors import VidgoError
from vidgo_async._core.validators import check_count
from vidgo_async._session.arguments import check_timeout
from vidgo_async._session.session import VidgoSession
from vidgo_async.cli.arguments import as_output_folder, as_requests, as_task_ids, usage_errors
from vidgo_async.cli.journals import RunJournal, as_journal, journal_path, settle
from vidgo_async.cli.options import MaxInFlight, Model, Out, Settings, Timeout
from vidgo_async.cli.report import Report
from vidgo_async.cli.run import for_each, run
from vidgo_async.cli.webhooks import Webhook, as_webhook, session_settings
from vidgo_async.journal import EntryState
from vidgo_async.requests import GrokImagine


def generate(
    prompts: Annotated[
        list[str],
        Parameter(help="One video each, all at the same time; after -- they may begin with -."),
    ],
    /,
    *,
    model: Model = GrokImagine.model,
    settings: Settings = None,
    image: Annotated[
        str | None, Parameter(help="A picture to begin with: a path or a URL.")
    ] = None,
    out: Annotated[
        Path | None, Parameter(help="The folder to save into, with a journal; made if missing.")
    ] = None,
    journal: Annotated[
        Path | None, Parameter(help="A file for the journal: the same command buys nothing twice.")
    ] = None,
    no_journal: Annotated[bool, Parameter(help="Write none.", negative=())] = False,
    again: Annotated[bool, Parameter(help="Buy anew what was bought before.", negative=())] = False,
    max_in_flight: MaxInFlight = 16,
    timeout: Timeout = 900.0,
    webhook_url: Annotated[
        str | None, Parameter(help="A public URL that leads to --webhook-port, as of a tunnel.")
    ] = None,
    webhook_port: Annotated[
        int | None, Parameter(help="A port to be told of ends on, instead of polling.")
    ] = None,
    sandbox: Annotated[
        bool, Parameter(help="Use a server inside this program: no key, no cost.", negative=())
    ] = False,
) -> int:
    """Buy a task for each prompt, and save the files of each as it finishes."""
    with usage_errors():
        requests = as_requests(prompts, model, settings or [], image)
        check_count("--max-in-flight", max_in_flight)
        check_timeout(timeout)
        webhook = as_webhook(webhook_url, webhook_port)
        path = journal_path(out, journal, no_journal=no_journal, again=again, sandbox=sandbox)
        session = None if sandbox else _new_session(webhook)
        folder = as_output_folder(out or Path())
        report = Report(folder, in_sandbox=sandbox)
        written = RunJournal(path, report, may_move=journal is None, again=again)

    async def job(vidgo: VidgoSession) -> None:
        batch = vidgo.generate_many(
            requests,
            max_in_flight=max_in_flight,
            timeout=timeout,
            on_update=report.on_update,
            journal=written.journal,
            download_to=None if written.journal is None else folder,
        )
        async with batch, anyio.create_task_group() as downloads:
            async for outcome in batch:
                written.note(outcome)
                if written.journal is None:
                    downloads.start_soon(report.save_outcome, vidgo.download, outcome)
                else:
                    report.add_saved(outcome)

    return run(job, report, session, webhook=webhook, journal=written)


def resume(
    file: Annotated[Path, Parameter(help="A journal.")],
    /,
    *,
    out: Out = Path(),
    max_in_flight: MaxInFlight = 16,
    timeout: Timeout = 900.0,
) -> int:
    """Go on with all that is in a journal: send, wait and save what is missing."""
    with usage_errors():
        check_count("--max-in-flight", max_in_flight)
        check_timeout(timeout)
        known = as_journal(file)
        session = _new_session()
        folder = as_output_folder(out)
        report = Report(folder)

    async def job(vidgo: VidgoSession) -> None:
        batch = vidgo.resume(
            known,
            max_in_flight=max_in_flight,
            timeout=timeout,
            on_update=report.on_update,
            download_to=folder,
        )
        async with batch:
            async for outcome in batch:
                report.add_saved(outcome)

    return run(job, report, session)


def journal(
    file: Annotated[Path, Parameter(help="A journal.")],
    /,
    *,
    state: Annotated[EntryState | None, Parameter(help="Only the entries in this state.")] = None,
    adopt: Annotated[
        tuple[int, str] | None,
        Parameter(help="Go on with a task that was found for an unknown entry: ENTRY TASK_ID."),
    ] = None,
    forget: Annotated[
        int | None, Parameter(help="Send an unknown entry again: no task was found for it.")
    ] = None,
) -> int:
    """Print what is in a journal, or settle an entry whose outcome is unknown."""
    with usage_errors():
        known = as_journal(file)
        report = Report(Path())
    return anyio.run(functools.partial(settle, known, report, state, adopt, forget))


def wait(
    task_ids: Annotated[list[str], Parameter(help="Tasks that were paid for before.")],
    /,
    *,
    out: Out = Path(),
    timeout: Timeout = 900.0,
) -> int:
    """Wait for tasks, all at once, and save the files of each as it finishes."""
    with usage_errors():
        known_ids = as_task_ids(task_ids)
        check_timeout(timeout)
        session = _new_session()
        report = Report(as_output_folder(out))

    async def wait_and_save(vidgo: VidgoSession, task_id: str) -> None:
        report.add_unsaved(task_id)
        try:
            task = await vidgo.wait(task_id, timeout=timeout, on_update=report.on_update)
        except VidgoError as error:
            report.add_failure(task_id, error)
        else:
            await report.save(vidgo.download, task)

    return run(for_each(wait_and_save, known_ids), report, session)


def download(
    task_ids: Annotated[list[str], Parameter(help="Tasks that finished within the last 24 hours.")],
    /,
    *,
    out: Out = Path(),
) -> int:
    """Save the files of tasks that finished, without waiting for the others."""
    with usage_errors():
        known_ids = as_task_ids(task_ids)
        session = _new_session()
        report = Report(as_output_folder(out))

    async def poll_and_save(vidgo: VidgoSession, task_id: str) -> None:
        try:
            task = await vidgo.get_task(task_id)
        except VidgoError as error:
            report.add_failure(task_id, error)
            return
        if task.done:
            await report.save(vidgo.download, task)
        else:
            report.add_failure(task_id, VidgoError(f"not finished yet: {task.status}"))

    return run(for_each(poll_and_save, known_ids), report, session)


def upload(
    files: Annotated[list[Path], Parameter(help="Pictures: JPEG, PNG, GIF or WebP.")], /
) -> int:
    """Upload pictures, and print the URL of each."""
    with usage_errors():
        session = _new_session()
        report = Report(Path())

    async def upload_one(vidgo: VidgoSession, file: Path) -> None:
        try:
            uploaded = await vidgo.upload(file)
        except (VidgoError, ValueError, OSError) as error:
            report.print_error(str(file), error)
        else:
            report.print(f"{file}: {uploaded.file_url}")

    return run(for_each(upload_one, files), report, session)


def balance() -> int:
    """Print the account and its credits."""
    with usage_errors():
        session = _new_session()
        report = Report(Path())

    async def job(vidgo: VidgoSession) -> None:
        try:
            found = await vidgo.balance()
        except VidgoError as error:
            report.print_error("balance", error)
        else:
            report.print(f"{found.email or 'account'}: {found.credits:g} credits")

    return run(job, report, session)


def _new_session(webhook: Webhook | None = None) -> VidgoSession:
    """Make a session for the real API; the proxy variables of the environment apply."""
    return VidgoSession(**session_settings(webhook), trust_env=True)
