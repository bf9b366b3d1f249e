"""What is compared: our client, hand-written loops, and other vendors' clients in each variant."""

import functools
import json
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from benchmarks.fake_server import Api, VidgoApi, serve
from benchmarks.peers.catalogue import BARE_HTTPX, VENDOR_CLIENTS, Peer
from benchmarks.peers.environments import ROOT, interpreter, variables, version
from benchmarks.peers.formatting import find_error

POLLS = 10
"""Polls of each task until it is finished."""
INTERVAL = 0.5
"""Seconds between two polls of a task."""
TIMEOUT = 120.0
"""Seconds for one run; a slower client has failed."""


@attrs.frozen
class Contender:
    """One variant of a client."""

    name: str
    variant: str
    command: tuple[str, ...]
    """The command line, up to the URL."""
    api: Callable[[int], Api]
    requests: int
    """Expected number of requests for each task."""
    is_vendor_client: bool = False
    """Whether the target is about it."""
    options: tuple[str, ...] = ()
    """Arguments after the interval."""

    @property
    def title(self) -> str:
        """Name and variant."""
        return f"{self.name} ({self.variant})"


@attrs.define(eq=False)
class Runs:
    """The runs of one contender with so many tasks; each call is one run."""

    contender: Contender
    count: int
    requests: list[float] = attrs.field(init=False, factory=list[float])
    """Requests for each task, in the runs that worked."""
    failures: list[str] = attrs.field(init=False, factory=list[str])
    """Errors of the other runs."""

    def __call__(self) -> float:
        """Return the CPU milliseconds for each task, or NaN if it failed."""
        arguments = str(self.count), str(INTERVAL), *self.contender.options
        with serve(
            functools.partial(self.contender.api, POLLS)
        ) as server:  # a new one for each run
            try:
                cpu = _cpu([*self.contender.command, server.url, *arguments])
            except FailedError as error:
                self.failures.append(str(error))
                return math.nan
            sent = server.take_request_count() / self.count
        if sent < self.contender.requests:
            self.failures.append(f"{sent:g} requests for each task")
            return math.nan
        self.requests.append(sent)
        return cpu * 1000 / self.count


class FailedError(Exception):
    """A run that failed or timed out."""


def _cpu(command: Sequence[str]) -> float:
    """Return the CPU seconds that a client reports."""
    try:
        child = subprocess.run(  # noqa: S603 - our own list
            command,
            capture_output=True,
            check=True,
            cwd=ROOT,
            env=variables(),
            text=True,
            timeout=TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        msg = f"over {TIMEOUT:g} s"
        raise FailedError(msg) from None
    except subprocess.CalledProcessError as error:
        raise FailedError(find_error(error.stderr)) from None
    cpu: float = json.loads(child.stdout)["cpu"]
    return cpu


# --- The list -------------------------------------------------------------------------------


def contenders(folder: Path) -> list[Contender]:
    """Return all of them, ours first; create missing environments."""
    vendors = [each for peer in VENDOR_CLIENTS for each in _variants(peer, folder, is_vendor=True)]
    return [
        _local("ours", f"vidgo_async {_installed('vidgo_async')}"),
        _local("bare", f"bare aiohttp {_installed('aiohttp')}"),
        *_variants(BARE_HTTPX, folder, is_vendor=False),
        *vendors,
    ]


def _local(client: str, name: str) -> Contender:
    command = sys.executable, "-m", "benchmarks.clients", client
    return Contender(name, "default", command, VidgoApi, 1 + POLLS, options=("asyncio",))


def _installed(package: str) -> str:
    return version(Path(sys.executable), package)


def _variants(peer: Peer, folder: Path, *, is_vendor: bool) -> list[Contender]:
    python = interpreter(folder, peer.module, peer.requirements)
    title = peer.package if is_vendor else f"bare {peer.package}"
    name = f"{title} {version(python, peer.package)}"
    command = str(python), "-m", "benchmarks.peers.generate_many", peer.module
    return [
        Contender(
            name,
            f"{variant}, {library}",
            command,
            peer.api,
            peer.requests_beside_polls + POLLS,
            is_vendor,
            (variant,),
        )
        for variant, library in peer.variants.items()
    ]
