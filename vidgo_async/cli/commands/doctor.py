"""`doctor`: what a run needs, checked one by one, each with what to do where it fails."""

import contextlib
import functools
import http.client
import os
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
import anyio.to_thread
import attrs
from cyclopts import Parameter

from vidgo_async._core.errors import (
    AuthenticationError,
    JournalError,
    PermissionDeniedError,
    VidgoError,
)
from vidgo_async.cli.inputs.arguments import as_output_folder
from vidgo_async.cli.options import Common, InSandbox
from vidgo_async.cli.outputs.console import Console
from vidgo_async.cli.outputs.report import FAILED, OK
from vidgo_async.cli.running.server import Server
from vidgo_async.journal import Journal

if TYPE_CHECKING:
    from vidgo_async._session.session import VidgoSession

FILE_HOST = "https://storage.vidgo.ai"
"""Where files are, by the status page; real links were seen on other hosts too."""
TIMEOUT = 10.0
"""Seconds for one check."""
MAX_CLOCK_ERROR = 60.0
"""Seconds by which the clock may be wrong: the age of tasks and uploads is told by it."""
MIN_SPACE = 1_000_000_000
"""Bytes that should be free: a few hundred videos."""
MIN_WIDTH = 40
"""Columns that the progress bar needs."""
GOOD, BAD, UNSURE = "ok", "failed", "warning"


@attrs.frozen
class Finding:
    """What one check found."""

    check: str
    result: str
    found: str
    advice: str | None = None


def doctor(
    folder: Annotated[Path, Parameter(help="The folder that videos are to be saved in.")] = Path(),
    /,
    *,
    sandbox: InSandbox = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """Check what a run needs: key, address, clock, balance, file host, folder and terminal."""
    findings = anyio.run(functools.partial(_examine, folder, common, sandbox=sandbox))
    records = [attrs.asdict(finding) for finding in findings]
    Console(common).table(("check", "result", "found", "advice"), records)
    return FAILED if any(finding.result == BAD for finding in findings) else OK


async def _examine(folder: Path, common: Common, *, sandbox: bool) -> list[Finding]:
    here = [_folder(folder), await _locks(folder), _terminal()]
    try:
        server = Server.of(common, sandbox=sandbox)
    except (ValueError, TypeError) as error:
        if "VIDGO_API_KEY" in str(error):
            return [Finding("key", BAD, str(error), "set VIDGO_API_KEY"), *here]
        return [Finding("settings", BAD, str(error), "correct it in the environment"), *here]
    async with contextlib.AsyncExitStack() as stack:
        vidgo = await stack.enter_async_context(await server.open(stack))
        return [*await _online(vidgo, Asker(server)), *here]


# --- The server -----------------------------------------------------------------------------


class Asker:
    """Asks for the date of a host: any answer has one, and says that the host is there."""

    def __init__(self, server: Server) -> None:
        proxies = {"http": server.proxy, "https": server.proxy} if server.proxy else None
        handler = urllib.request.ProxyHandler({} if server.in_sandbox else proxies)
        self._opener = urllib.request.build_opener(handler)

    async def date_of(self, url: str) -> datetime | str | None:
        """Return the date of an answer; None where it has none; or why there is no answer."""
        return await anyio.to_thread.run_sync(self._ask, url)

    def _ask(self, url: str) -> datetime | str | None:
        try:
            with self._opener.open(url, timeout=TIMEOUT) as response:
                date = response.headers["Date"]
        except urllib.error.HTTPError as refusal:  # which is an answer, too
            with refusal:
                date = refusal.headers["Date"]
        except (OSError, http.client.HTTPException) as error:
            return str(getattr(error, "reason", error))
        with contextlib.suppress(ValueError):
            return parsedate_to_datetime(date) if date else None
        return None


async def _online(vidgo: "VidgoSession", asker: Asker) -> list[Finding]:
    address = vidgo.base_url
    date = await asker.date_of(address)
    host = _file_host(address)
    files = await asker.date_of(host)
    advice = "check the network, the proxy and VIDGO_BASE_URL"
    return [
        *await _account(vidgo),
        _reached("address", address, date, (BAD, advice)),
        _clock(date),
        _reached("file host", host, files, (UNSURE, "a firewall may let only the API through")),
    ]


def _file_host(address: str) -> str:
    """Return where files are: those of another server than Vidgo's are taken to be on it."""
    return FILE_HOST if address.endswith(".vidgo.ai") else address


async def _account(vidgo: "VidgoSession") -> list[Finding]:
    """Check key and balance, which one request tells."""
    try:
        found = await vidgo.balance()
    except (AuthenticationError, PermissionDeniedError) as error:
        advice = "replace VIDGO_API_KEY; after a 403 check the key's list of addresses"
        return [Finding("key", BAD, str(error), advice)]
    except VidgoError as error:
        return [Finding("key", UNSURE, str(error), "try again when the address can be reached")]
    key = Finding("key", GOOD, f"of {found.email or 'an account'}")
    told = f"{found.credits:g} credits"
    if found.credits > 0:
        return [key, Finding("balance", GOOD, told)]
    return [key, Finding("balance", BAD, told, "buy credits")]


def _reached(
    check: str, url: str, date: datetime | str | None, otherwise: tuple[str, str]
) -> Finding:
    if not isinstance(date, str):
        return Finding(check, GOOD, url)
    result, advice = otherwise
    return Finding(check, result, f"{url}: {date}", advice)


def _clock(date: datetime | str | None) -> Finding:
    if not isinstance(date, datetime):
        return Finding("clock", UNSURE, "no date from the server to compare it with")
    wrong = (datetime.now(UTC) - date).total_seconds()
    if abs(wrong) <= MAX_CLOCK_ERROR:
        return Finding("clock", GOOD, f"{wrong:+.0f} s")
    advice = "set the clock: the age of tasks and uploads is told by it"
    return Finding("clock", BAD, f"{wrong:+.0f} s", advice)


# --- This machine ---------------------------------------------------------------------------


def _folder(folder: Path) -> Finding:
    try:
        checked = as_output_folder(folder)
    except ValueError as error:
        return Finding("folder", BAD, str(error), "name another with --out")
    free = shutil.disk_usage(checked).free
    found = f"{checked.absolute()}, {free / 1e9:.1f} GB free"
    if free < MIN_SPACE:
        return Finding("folder", UNSURE, found, "make room: a video takes some megabytes")
    return Finding("folder", GOOD, found)


async def _locks(folder: Path) -> Finding:
    """Check that a journal can be kept there."""
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".doctor-") as trial:
            async with Journal(Path(trial) / "journal"):
                return Finding("journal", GOOD, "can be kept in the folder")
    except (JournalError, OSError) as error:
        advice = "name a folder on a local disk with --out, or a file with --journal"
        return Finding("journal", BAD, str(error), advice)


def _terminal() -> Finding:
    if not sys.stderr.isatty():
        return Finding("terminal", GOOD, "none: progress is printed in lines")
    columns, _ = shutil.get_terminal_size()
    found = f"{columns} columns, {sys.stderr.encoding}"
    if columns < MIN_WIDTH or os.environ.get("TERM") == "dumb":
        return Finding("terminal", UNSURE, found, "--progress text prints lines")
    return Finding("terminal", GOOD, found)
