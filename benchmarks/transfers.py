"""Speed and memory of large downloads and uploads, compared with a loop over aiohttp.

That loop writes to disk and syncs too, but verifies nothing.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import statistics
import subprocess
import tempfile
from collections.abc import Generator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread
import attrs

from benchmarks import checkouts
from benchmarks.checkouts import OTHER, OURS, Environment
from benchmarks.pairs import Ratio, run_rounds
from benchmarks.tables import print_table
from vidgo_async import GrokImagine, VidgoSession
from vidgo_async.sandbox import DROPPED, Sandbox, with_headers

if TYPE_CHECKING:
    from multiprocessing.connection import Connection  # generic only for type checkers

QUESTION = "how fast are large downloads and uploads, and how much memory do they take?"

MIN_SPEED = 0.8
"""Target: of the bare loop's speed."""
MAX_MEMORY = 64.0
"""Target: MiB beyond what the process had before."""
DOWNLOAD, VERIFIED, UPLOAD = "download", "download, checksum verified", "upload"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--mib", type=int, default=1024, metavar="N", help="default 1024")
    parser.add_argument("--rounds", type=int, default=6, metavar="N", help="default 6")
    checkouts.add_option(parser)


def run(options: argparse.Namespace) -> bool:
    """Measure, and print a row for each kind of transfer."""
    size = options.mib * 2**20
    with (
        checkouts.environments(options.against) as sides,
        tempfile.TemporaryDirectory() as folder,
        _serve(size) as urls,
    ):
        source, target = Path(folder) / "source.png", Path(folder) / "target.mp4"
        _write(source, size)
        files = {DOWNLOAD: target, VERIFIED: target, UPLOAD: source}
        contenders = {
            f"{side} {what}": partial(_transfer, client, urls[what], files[what], environment)
            for what in files
            for side, client, environment in _clients(what.partition(",")[0], sides)
            if (side, what) != ("bare", VERIFIED)  # it verifies nothing
        }
        runs = run_rounds(contenders, options.rounds)
    memory = max(run.mib for name, each in runs.items() if name.startswith(OURS) for run in each)
    seconds = {name: [run.seconds for run in each] for name, each in runs.items()}
    print(f"{options.mib} MiB, {options.rounds} rounds; at most {memory:.0f} MiB more memory")
    ratios = _print_speeds(seconds, options.mib)
    return memory <= MAX_MEMORY and all(ratio.median >= MIN_SPEED for ratio in ratios)


def _clients(
    name: str, sides: Mapping[str, Environment]
) -> Generator[tuple[str, str, Environment]]:
    """Yield each side of a comparison, its client, and the checkout that it imports."""
    yield "bare", f"bare {name}", sides[OURS]
    for side, environment in sides.items():
        yield side, name, environment


def _print_speeds(seconds: Mapping[str, Sequence[float]], mib: int) -> list[Ratio]:
    """Print speeds and ratios; return our speed over that of the bare loop, for each kind."""
    rows = list[tuple[str, ...]]()
    ratios = dict[str, Ratio]()
    for name, times in seconds.items():
        side, _, what = name.partition(" ")
        bare = seconds[f"bare {what.partition(',')[0]}"]
        ratios[name] = Ratio.of(bare, times)
        other = seconds.get(f"{OTHER} {what}") if side == OURS else None
        speed = f"{mib / statistics.median(times):.0f}"
        compared = "-" if other is None else str(Ratio.of(other, times))
        rows.append((name, speed, str(ratios[name]), compared))
    print_table(
        ("what", "MiB/s", "of the bare loop's speed (95 %)", "of the other checkout's (95 %)"), rows
    )
    return [ratio for name, ratio in ratios.items() if name.startswith(OURS)]


@attrs.frozen
class Run:
    """What one transfer took."""

    seconds: float
    mib: float
    """Memory beyond what the process had before."""


def _transfer(client: str, url: str, file: Path, environment: Environment) -> Run:
    if "download" in client:
        file.unlink(missing_ok=True)
    child = subprocess.run(  # noqa: S603 - our own module
        checkouts.python("-m", "benchmarks.transfer_clients", client, url, str(file)),
        env=environment,
        capture_output=True,
        check=True,
    )
    return Run(json.loads(child.stdout)["wall"], int(child.stderr) / 1024)


def _write(file: Path, size: int) -> None:
    chunk = bytes(range(256)) * 4096
    with file.open("wb") as sink:
        sink.write(b"\x89PNG\r\n\x1a\n")
        for _ in range(size // len(chunk)):
            sink.write(chunk)


# --- The server, in a process of its own --------------------------------------------------------


@contextlib.contextmanager
def _serve(size: int) -> Generator[dict[str, str]]:
    """Give the URL for each kind of transfer."""
    context = multiprocessing.get_context("spawn")
    pipe, child_pipe = context.Pipe()
    process = context.Process(target=_run_server, args=(child_pipe, size))
    process.start()
    child_pipe.close()
    try:
        yield pipe.recv()
    finally:
        pipe.close()  # ends the server
        process.join()


def _run_server(pipe: "Connection[dict[str, str], None]", size: int) -> None:
    asyncio.run(_serve_files(pipe, size))


async def _serve_files(pipe: "Connection[dict[str, str], None]", size: int) -> None:
    async with (
        Sandbox(seconds=(0, 0), file_size=size, uploads_per_minute=None) as sandbox,
        VidgoSession(sandbox.api_key, base_url=sandbox.url) as vidgo,
    ):
        plain, checked = [
            await vidgo.generate(GrokImagine(prompt=name)) for name in ("plain", "checked")
        ]
        no_checksum = with_headers({"Repr-Digest": DROPPED})
        sandbox.inject(no_checksum, call="file", times=None, task_id=plain.task_id)
        pipe.send(
            {
                DOWNLOAD: plain.files[0].file_url,
                VERIFIED: checked.files[0].file_url,
                UPLOAD: sandbox.url,
            }
        )
        with contextlib.suppress(EOFError):
            await anyio.to_thread.run_sync(pipe.recv)
