"""How fast a large file comes and goes, beside a loop over aiohttp that writes and syncs too."""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from benchmarks.pairs import Ratio, rounds
from benchmarks.tables import show
from vidgo_async import GrokImagine, VidgoSession
from vidgo_async.sandbox import DROPPED, Sandbox, with_headers

if TYPE_CHECKING:
    from multiprocessing.connection import Connection  # generic only for type checkers

QUESTION = "how fast does a large file come and go, and in how much memory?"

LEAST = 0.8
"""Of the bare loop's speed: the promise."""
MOST_MEMORY = 64.0
"""MiB beyond what the process held before: the promise."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument("--mib", type=int, default=1024, metavar="N", help="default 1024")
    parser.add_argument("--rounds", type=int, default=6, metavar="N", help="default 6")


def run(options: argparse.Namespace) -> bool:
    """Measure, and print a row for each direction."""
    size = options.mib * 2**20
    with tempfile.TemporaryDirectory() as folder, _served(size) as (api, plain, checked):
        source, target = Path(folder) / "source.png", Path(folder) / "target.mp4"
        _write(source, size)
        memory: list[float] = []
        errands: dict[str, Callable[[], float]] = {
            "bare download": partial(_seconds, "bare download", plain, target, memory),
            "download": partial(_seconds, "download", plain, target, memory),
            "download, checksum verified": partial(_seconds, "download", checked, target, memory),
            "bare upload": partial(_seconds, "bare upload", api, source, memory),
            "upload": partial(_seconds, "upload", api, source, memory),
        }
        times = rounds(errands, options.rounds)
    rows = list[tuple[str, ...]]()
    ratios = list[Ratio]()
    for name in errands:
        bare = times["bare upload" if "upload" in name else "bare download"]
        ratios.append(Ratio.of(bare, times[name]))
        speed = options.mib / statistics.median(times[name])
        rows.append((name, f"{speed:.0f}", str(ratios[-1])))
    print(f"{options.mib} MiB, {options.rounds} rounds; at most {max(memory):.0f} MiB more memory")
    show(("what", "MiB/s", "of the bare loop's speed (95 %)"), rows)
    return max(memory) <= MOST_MEMORY and all(ratio.median >= LEAST for ratio in ratios)


def _seconds(name: str, url: str, file: Path, memory: list[float]) -> float:
    if "download" in name:
        file.unlink(missing_ok=True)
    child = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "benchmarks.carriers", name, url, str(file)],
        capture_output=True,
        check=True,
    )
    if "bare" not in name:
        memory.append(int(child.stderr) / 1024)
    wall: float = json.loads(child.stdout)["wall"]
    return wall


def _write(file: Path, size: int) -> None:
    piece = bytes(range(256)) * 4096
    with file.open("wb") as sink:
        sink.write(b"\x89PNG\r\n\x1a\n")
        for _ in range(size // len(piece)):
            sink.write(piece)


# --- The server, in a process of its own --------------------------------------------------------


@contextlib.contextmanager
def _served(size: int) -> Generator[tuple[str, str, str]]:
    """Give the API's address, and those of a file without and with a checksum."""
    context = multiprocessing.get_context("spawn")
    line, its_line = context.Pipe()
    process = context.Process(target=_process, args=(its_line, size))
    process.start()
    its_line.close()
    try:
        yield line.recv()
    finally:
        line.close()  # which ends it too
        process.join()


def _process(line: "Connection[tuple[str, str, str], None]", size: int) -> None:
    asyncio.run(_serve(line, size))


async def _serve(line: "Connection[tuple[str, str, str], None]", size: int) -> None:
    async with (
        Sandbox(seconds=(0, 0), file_size=size, uploads_per_minute=None) as sandbox,
        VidgoSession(sandbox.api_key, base_url=sandbox.url) as vidgo,
    ):
        tasks = [await vidgo.generate(GrokImagine(prompt=name)) for name in ("plain", "checked")]
        bare = with_headers({"Repr-Digest": DROPPED})
        sandbox.inject(bare, call="file", times=None, task_id=tasks[0].task_id)
        line.send((sandbox.url, tasks[0].files[0].file_url, tasks[1].files[0].file_url))
        with contextlib.suppress(EOFError):
            await anyio.to_thread.run_sync(line.recv)
