"""`generate` and `resume`: from checked rows to a folder of videos, with a page to look through."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from vidgo_async._core.errors import JournalError
from vidgo_async._core.validators import check_count
from vidgo_async._session.arguments import check_timeout
from vidgo_async.cli.inputs.arguments import (
    Defaults,
    as_output_folder,
    check_output_folder,
    usage_errors,
)
from vidgo_async.cli.inputs.names import NameTemplate
from vidgo_async.cli.inputs.rows import Row, read_rows, rows_of_prompts
from vidgo_async.cli.options import (
    Callbacks,
    Common,
    InSandbox,
    Money,
    NewKey,
    Out,
    Pace,
    Source,
    Target,
)
from vidgo_async.cli.outputs.console import Console
from vidgo_async.cli.outputs.report import FAILED, Report
from vidgo_async.cli.outputs.results import Results
from vidgo_async.cli.running.batches import BatchRun
from vidgo_async.cli.running.journals import RunJournal, as_journal, journal_path
from vidgo_async.cli.running.preflight import preflight
from vidgo_async.cli.running.run import Job, run
from vidgo_async.cli.running.server import Server
from vidgo_async.cli.running.webhooks import as_webhook

STDIN = "-"
"""The name of standard input."""


def generate(
    *prompts: Annotated[
        str, Parameter(help="One video each, all at the same time; after -- they may begin with -.")
    ],
    source: Source = Source(),  # noqa: B008 - frozen, as all below
    target: Target = Target(),  # noqa: B008
    pace: Pace = Pace(),  # noqa: B008
    money: Money = Money(),  # noqa: B008
    callbacks: Callbacks = Callbacks(),  # noqa: B008
    sandbox: InSandbox = False,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Buy a task for each prompt or row, and save the files of each as it finishes."""
    console = Console(common)
    with usage_errors():
        _check_pace(pace)
        _check_money(money)
        rows = _rows(prompts, source)
        template = NameTemplate(target.name)
        template.check(rows)
        path = journal_path(target, sandbox=sandbox)
        webhook = as_webhook(callbacks)
        server = Server.of(common, sandbox=sandbox, webhook=webhook)
        if money.dry_run:
            check_output_folder(target.out or Path())
    journal = RunJournal(path, console, may_move=target.journal is None)
    journal.again, journal.new_key = target.again, target.new_key
    try:
        ask = None if sandbox else server.balance
        refused = preflight(rows, journal, money, ask, console)
    except JournalError as error:
        console.error(f"vidgo-async: {error}")
        return FAILED
    if refused is not None:
        return refused
    with usage_errors():
        folder = as_output_folder(target.out or Path())
    report = Report(console, folder, in_sandbox=sandbox)
    is_again_by_default = target.again and "--again" not in sys.argv
    report.unsaved.repeats = source.file != STDIN and not is_again_by_default
    results = Results(rows, template, folder, report)
    batch = BatchRun(
        results,
        report,
        folder,
        pace,
        journal=journal,
        max_credits=money.max_credits,
        source=None if source.file in {None, STDIN} else Path(str(source.file)),
    )
    status = run(_job(batch, journal), report, server.open)
    if target.open:
        batch.open_page()
    return status


def resume(
    file: Annotated[Path, Parameter(help="A journal.")],
    /,
    *,
    out: Out = Path(),
    new_key: NewKey = False,
    pace: Pace = Pace(),  # noqa: B008
    common: Common = Common(),  # noqa: B008
) -> int:
    """Go on with all that is in a journal: send, wait and save what is missing."""
    console = Console(common)
    with usage_errors():
        _check_pace(pace)
        journal = RunJournal(as_journal(file), console, may_move=False)
        journal.new_key = new_key
        server = Server.of(common)
        folder = as_output_folder(out)
    report = Report(console, folder)
    results = Results([], NameTemplate(), folder, report)
    batch = BatchRun(results, report, folder, pace, journal=journal, resumes=True)
    return run(_job(batch, journal), report, server.open)


def _job(batch: BatchRun, journal: RunJournal) -> Job:
    return Job(run=batch.run, interrupt=batch.interrupt, finish=batch.finish, journal=journal)


def _check_pace(pace: Pace) -> None:
    check_count("--max-in-flight", pace.max_in_flight)
    check_count("--retries", pace.retries, minimum=0)
    check_timeout(pace.timeout)


def _check_money(money: Money) -> None:
    if money.max_credits is not None and not money.max_credits > 0:
        msg = f"--max-credits must be above 0, not {money.max_credits:g}"
        raise ValueError(msg)


def _rows(prompts: Sequence[str], source: Source) -> list[Row]:
    defaults = Defaults(source.model, source.settings or (), source.image)
    if prompts and source.file is not None:
        msg = "give prompts or --from, not both"
        raise ValueError(msg)
    if source.file is not None:
        return read_rows(None if source.file == STDIN else Path(source.file), defaults)
    if not prompts:
        msg = "nothing to generate: give prompts, or a file with --from"
        raise ValueError(msg)
    return rows_of_prompts(prompts, defaults)
