"""Helpers for files on disk."""

import hashlib
from pathlib import Path

from vidgo_async.sandbox import Sandbox

SIZE = 3_000_001
MIDDLE = SIZE // 2


def left_in(folder: Path) -> list[str]:
    """Name what is in a folder."""
    return sorted(path.name for path in folder.iterdir())


def asked(sandbox: Sandbox) -> list[str | None]:
    """List the parts that were asked for."""
    calls = [call for call in sandbox.calls if call.name == "file"]
    return [call.headers.get("Range") if call.headers else "?" for call in calls]


def check(folder: Path, digest: str) -> None:
    """See that the file is there, whole, right and alone."""
    [path] = folder.iterdir()
    assert path.name == "fox.mp4"
    assert path.stat().st_size == SIZE
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
