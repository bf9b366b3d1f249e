"""What runs side by side: ours, the loops written by hand, and the neighbours in each form."""

import functools
import json
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from benchmarks.fake import Api, VidgoApi, served
from benchmarks.peers.catalogue import BARE_HTTPX, NEIGHBOURS, Peer
from benchmarks.peers.environments import ROOT, interpreter, variables, version
from benchmarks.peers.words import complaint

LOOKS = 10
"""Looks at each task until it is finished."""
INTERVAL = 0.5
"""Seconds between two looks at a task."""
LIMIT = 120.0
"""Seconds for one run; a client that takes longer has failed."""


@attrs.frozen
class Contender:
    """A client in one form."""

    name: str
    form: str
    command: tuple[str, ...]
    """How to run it, up to the URL."""
    api: Callable[[int], Api]
    requests: int
    """What it should send for a task."""
    neighbour: bool = False
    """Whether it is what we compare ourselves with."""
    options: tuple[str, ...] = ()
    """What comes after the interval."""

    @property
    def title(self) -> str:
        """Name it in one go."""
        return f"{self.name} ({self.form})"


@attrs.define(eq=False)
class Runs:
    """The runs of one contender with so many tasks; each call is one."""

    contender: Contender
    count: int
    requests: list[float] = attrs.field(init=False, factory=list[float])
    """Requests for each task, in the runs that worked."""
    failures: list[str] = attrs.field(init=False, factory=list[str])
    """What was wrong with the others."""

    def __call__(self) -> float:
        """Return the CPU milliseconds for each task, or NaN if it failed."""
        arguments = str(self.count), str(INTERVAL), *self.contender.options
        with served(functools.partial(self.contender.api, LOOKS)) as fake:  # nothing left over
            try:
                cpu = _cpu([*self.contender.command, fake.url, *arguments])
            except FailedError as error:
                self.failures.append(str(error))
                return math.nan
            sent = fake.requests() / self.count
        if sent < self.contender.requests:
            self.failures.append(f"{sent:g} requests for each task")
            return math.nan
        self.requests.append(sent)
        return cpu * 1000 / self.count


class FailedError(Exception):
    """A run that did not end well, or not in time."""


def _cpu(command: Sequence[str]) -> float:
    """Return the CPU seconds that a client says it took."""
    try:
        child = subprocess.run(  # noqa: S603 - our own list
            command,
            capture_output=True,
            check=True,
            cwd=ROOT,
            env=variables(),
            text=True,
            timeout=LIMIT,
        )
    except subprocess.TimeoutExpired:
        msg = f"over {LIMIT:g} s"
        raise FailedError(msg) from None
    except subprocess.CalledProcessError as error:
        raise FailedError(complaint(error.stderr)) from None
    cpu: float = json.loads(child.stdout)["cpu"]
    return cpu


# --- Who takes part -------------------------------------------------------------------------


def contenders(folder: Path) -> list[Contender]:
    """List them all, ours first; make the environments that are missing."""
    neighbours = [each for peer in NEIGHBOURS for each in _forms(peer, folder, neighbour=True)]
    return [
        _of_here("ours", f"vidgo_async {_here('vidgo_async')}"),
        _of_here("bare", f"bare aiohttp {_here('aiohttp')}"),
        *_forms(BARE_HTTPX, folder, neighbour=False),
        *neighbours,
    ]


def _of_here(client: str, name: str) -> Contender:
    command = sys.executable, "-m", "benchmarks.clients", client
    return Contender(name, "default", command, VidgoApi, 1 + LOOKS, options=("asyncio",))


def _here(package: str) -> str:
    return version(Path(sys.executable), package)


def _forms(peer: Peer, folder: Path, *, neighbour: bool) -> list[Contender]:
    python = interpreter(folder, peer.module, peer.requirements)
    title = peer.package if neighbour else f"bare {peer.package}"
    name = f"{title} {version(python, peer.package)}"
    command = str(python), "-m", f"benchmarks.peers.{peer.module}"
    return [
        Contender(
            name,
            f"{form}, {over}",
            command,
            peer.api,
            peer.beside_looks + LOOKS,
            neighbour,
            (form,),
        )
        for form, over in peer.over.items()
    ]
