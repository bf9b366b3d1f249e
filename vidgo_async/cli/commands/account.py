"""`balance` and `upload`: the account, and pictures for requests."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from vidgo_async._core.errors import VidgoError
from vidgo_async.cli.inputs.arguments import check_some, usage_errors
from vidgo_async.cli.options import Common, InSandbox
from vidgo_async.cli.outputs.console import Console
from vidgo_async.cli.outputs.report import Report
from vidgo_async.cli.running.run import Job, for_each, run
from vidgo_async.cli.running.server import Server

if TYPE_CHECKING:
    from vidgo_async._session.session import VidgoSession


def upload(
    *files: Annotated[Path, Parameter(help="Pictures: JPEG, PNG, GIF or WebP.")],
    sandbox: InSandbox = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """Upload pictures, and print the URL of each."""
    report = Report(Console(common))
    with usage_errors():
        check_some("pictures", files)
        server = Server.of(common, sandbox=sandbox)

    async def upload_one(vidgo: "VidgoSession", file: Path) -> None:
        try:
            uploaded = await vidgo.upload(file)
        except (VidgoError, ValueError, OSError) as error:
            report.print_error(str(file), error)
        else:
            record = {
                "file": str(file),
                "url": uploaded.file_url,
                "expires_at": uploaded.expires_at.isoformat(timespec="seconds"),
            }
            report.console.result(f"{file}: {uploaded.file_url}", record)

    return run(for_each(upload_one, files), report, server.open)


def balance(
    *,
    sandbox: InSandbox = False,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Print the account and its credits."""
    report = Report(Console(common))
    with usage_errors():
        server = Server.of(common, sandbox=sandbox)

    async def ask(vidgo: "VidgoSession") -> None:
        try:
            found = await vidgo.balance()
        except VidgoError as error:
            report.print_error("balance", error)
        else:
            line = f"{found.email or 'account'}: {found.credits:g} credits"
            report.console.result(line, {"email": found.email, "credits": found.credits})

    return run(Job(run=ask), report, server.open)
