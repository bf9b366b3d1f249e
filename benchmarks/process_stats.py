"""Memory, asyncio tasks and sockets of this process at one moment."""

import asyncio
import gc
import os
import stat
import sys
from pathlib import Path

import attrs


@attrs.frozen
class ProcessStats:
    """A snapshot; None where the operating system does not tell."""

    rss: int | None
    """Resident memory, in KiB."""
    blocks: int
    """Memory blocks allocated by Python's own allocator."""
    tasks: int
    """Unfinished tasks of the running loop, the current one included."""
    sockets: int | None
    """Open sockets, the two of the loop itself included."""
    cyclic: int
    """Objects that the cycle collector has freed so far."""

    @classmethod
    def now(cls) -> "ProcessStats":
        """Take a snapshot."""
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
    except OSError:  # the descriptor that listed the folder is closed by now
        return False
