"""How other vendors' own clients react to faults, compared with ours.

Each generates one video at a time in its own environment and process, against a fake of its own
API, with default settings. For the submit that is never answered a timeout of about a second is
set, by a public setting: the result is the number of tasks that may have been bought.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import attrs

from benchmarks.fake_server import VidgoApi
from benchmarks.peers import faulty_server
from benchmarks.peers.catalogue import DEFAULT, VENDOR_CLIENTS, Peer
from benchmarks.peers.environments import FOLDER, ROOT, interpreter, variables, version
from benchmarks.tables import print_table

QUESTION = "how do other vendors' clients react to faults, compared with ours?"

POLLS = 4
"""Polls until a task is finished; the second one gets the fault."""
TIMEOUT = 120.0
"""Seconds for one video; fal retries for about 40."""
GOES_ON = "goes on"

OURS = Peer("ours", "vidgo_async", (), VidgoApi, {}, running="running")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        "--environments",
        type=Path,
        default=FOLDER,
        metavar="FOLDER",
        help="where the clients are installed, default %(default)s",
    )


def run(options: argparse.Namespace) -> bool:
    """Print a row for each client; return whether ours buys once, and polls on after each fault."""
    clients = [ClientUnderTest(OURS, sys.executable)]
    for peer in VENDOR_CLIENTS:
        python = interpreter(options.environments, peer.module, peer.requirements)
        clients.append(ClientUnderTest(peer, str(python)))
    rows = [client.row() for client in clients]
    print_table(
        (
            "client",
            "an unanswered submit reached the server",
            "one plain 503 while polling",
            "one dropped connection while polling",
            "a new status",
            "the same client in a second `asyncio.run`, with submits",
        ),
        rows,
    )
    return list(rows[0][1:5]) == ["1, SubmissionUnknownError", GOES_ON, GOES_ON, GOES_ON]


@attrs.frozen
class ClientUnderTest:
    """A client, and the Python of its environment."""

    peer: Peer
    python: str

    def row(self) -> Sequence[str]:
        """Generate a video with each fault, and return the results."""
        assert self._end(faulty_server.NO_FAULT) == GOES_ON, (
            f"{self.peer.module} failed without a fault"
        )
        return (
            f"{self.peer.package} {version(Path(self.python), self.peer.package)}",
            self._submits(),
            self._end(faulty_server.PLAIN_503),
            self._end(faulty_server.DROPPED_CONNECTION),
            self._end(faulty_server.UNKNOWN_STATUS) if self.peer.running else "has none",
            self._second_run(),
        )

    def _submits(self) -> str:
        """Return how many tasks may have been bought, and the error that the caller gets."""
        server = self._server(faulty_server.UNANSWERED_SUBMITS)
        end = asyncio.run(self._generate(server, "short timeout", 1))
        return f"{server.submits}, {end}"

    def _second_run(self) -> str:
        """Return how a second video ends, and whether its submit was sent."""
        server = self._server(faulty_server.NO_FAULT)
        end = asyncio.run(self._generate(server, DEFAULT, 2))
        return f"{end}, {server.submits - 1}"

    def _end(self, fault: str) -> str:
        """Return the error that the caller gets, or `GOES_ON`."""
        end = asyncio.run(self._generate(self._server(fault), DEFAULT, 1))
        return GOES_ON if end == "done" else end

    def _server(self, fault: str) -> faulty_server.FaultyServer:
        return faulty_server.FaultyServer(
            self.peer.api(POLLS), fault, f'"{self.peer.running}"'.encode()
        )

    async def _generate(self, server: faulty_server.FaultyServer, variant: str, times: int) -> str:
        async with server.serve() as url:
            child = await asyncio.create_subprocess_exec(
                *(self.python, "-m", "benchmarks.peers.generate_one", self.peer.module),
                *(url, variant, str(times)),
                cwd=ROOT,
                env=variables(),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                output, _ = await asyncio.wait_for(child.communicate(), TIMEOUT)
            except TimeoutError:
                child.kill()
                await child.wait()
                return f"no end within {TIMEOUT:g} s"
        assert child.returncode == 0, f"{self.peer.module} could not be run"
        return output.decode().strip()
