"""What this process holds at a moment: memory, tasks and sockets."""

import asyncio
import gc
import os
import stat
import sys
from pathlib import Path

import attrs


@attrs.frozen
class Reading:
    """What was held at one moment; None where this system does not tell."""

    rss: int | None
    """Resident memory, in KiB."""
    blocks: int
    """Memory blocks that Python's own allocator has given out."""
    tasks: int
    """Tasks of the running loop that are not done, the reader's own included."""
    sockets: int | None
    """Open sockets, the loop's own two included."""
    cyclic: int
    """Objects that the cycle collector has freed so far."""

    @classmethod
    def now(cls) -> "Reading":
        """Read all gauges."""
        cyclic = sum(generation["collected"] for generation in gc.get_stats())
        tasks = len(asyncio.all_tasks())
        return cls(_rss(), sys.getallocatedblocks(), tasks, _sockets(), cyclic)


def _rss() -> int | None:
    file = Path("/proc/self/statm")
    if not file.exists():
        return None
    return int(file.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def _sockets() -> int | None:
    folder = Path("/dev/fd")  # Linux and macOS
    if not folder.exists():
        return None
    return sum(_is_socket(int(entry.name)) for entry in folder.iterdir())


def _is_socket(descriptor: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:  # the one that the list itself was read through
        return False
