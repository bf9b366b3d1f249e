"""What other services' own clients do when something breaks, beside ours.

Each makes one video at a time in an environment and a process of its own, against a fake of its
own service, with its default settings. Only for the submit that is never answered it is told to
wait for a second or so, by a public setting; what counts is how many tasks may then be paid for.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import attrs

from benchmarks.fake import VidgoApi
from benchmarks.peers import trouble
from benchmarks.peers.catalogue import DEFAULT, NEIGHBOURS, Peer
from benchmarks.peers.environments import FOLDER, ROOT, interpreter, variables, version
from benchmarks.tables import show

QUESTION = "what do other services' own clients do when something breaks, and ours?"

LOOKS = 4
"""Looks until a task is finished; the second one is struck."""
LIMIT = 120.0
"""Seconds for one video; fal tries again for about 40."""
GOES_ON = "goes on"

OURS = Peer("ours", "vidgo_async", (), VidgoApi, {}, running="running")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument(
        "--environments",
        type=Path,
        default=FOLDER,
        metavar="FOLDER",
        help="where the clients are installed, default %(default)s",
    )


def run(options: argparse.Namespace) -> bool:
    """Print a row for each client; return whether ours pays once, and goes on while looking."""
    patients = [Patient(OURS, sys.executable)]
    for peer in NEIGHBOURS:
        python = interpreter(options.environments, peer.module, peer.requirements)
        patients.append(Patient(peer, str(python)))
    rows = [patient.row() for patient in patients]
    show(
        (
            "client",
            "an unanswered submit reached the server",
            "one plain 503 while looking",
            "one dropped connection while looking",
            "a new status",
            "the same client in a second `asyncio.run`, with submits",
        ),
        rows,
    )
    return list(rows[0][1:5]) == ["1, SubmissionUnknownError", GOES_ON, GOES_ON, GOES_ON]


@attrs.frozen
class Patient:
    """A client that things are done to."""

    peer: Peer
    python: str

    def row(self) -> Sequence[str]:
        """Do them all."""
        assert self._end(trouble.NOTHING) == GOES_ON, f"{self.peer.module} did not do its work"
        return (
            f"{self.peer.package} {version(Path(self.python), self.peer.package)}",
            self._submits(),
            self._end(trouble.REFUSAL),
            self._end(trouble.DROP),
            self._end(trouble.NEWS) if self.peer.running else "has none",
            self._second_run(),
        )

    def _submits(self) -> str:
        """Tell how many tasks may be paid for, and what the caller sees."""
        server = self._server(trouble.SILENCE)
        end = asyncio.run(self._treated(server, "impatient", 1))
        return f"{server.submits}, {end}"

    def _second_run(self) -> str:
        """Tell what the caller sees of a second video, and whether its submit was sent."""
        server = self._server(trouble.NOTHING)
        end = asyncio.run(self._treated(server, DEFAULT, 2))
        return f"{end}, {server.submits - 1}"

    def _end(self, kind: str) -> str:
        """Tell what the caller sees."""
        end = asyncio.run(self._treated(self._server(kind), DEFAULT, 1))
        return GOES_ON if end == "done" else end

    def _server(self, kind: str) -> trouble.Server:
        return trouble.Server(self.peer.api(LOOKS), kind, f'"{self.peer.running}"'.encode())

    async def _treated(self, server: trouble.Server, form: str, times: int) -> str:
        async with server.serve() as url:
            child = await asyncio.create_subprocess_exec(
                *(self.python, "-m", "benchmarks.peers.errand", self.peer.module),
                *(url, form, str(times)),
                cwd=ROOT,
                env=variables(),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                output, _ = await asyncio.wait_for(child.communicate(), LIMIT)
            except TimeoutError:
                child.kill()
                await child.wait()
                return f"no end within {LIMIT:g} s"
        assert child.returncode == 0, f"{self.peer.module} could not be run"
        return output.decode().strip()
