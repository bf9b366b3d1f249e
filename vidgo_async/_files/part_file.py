"""A file in the making: its bytes under a temporary name, and how it gets its final one.

All methods that touch the disk block, so threads call them, one at a time.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidgo_async._files.range_headers import Checksum

if TYPE_CHECKING:
    from io import FileIO

SHOWN = 100
"""Bytes of the final name that the temporary one repeats; file systems allow 255 for all."""
APPEARED = "it appeared meanwhile; pass overwrite=True to replace it"


class Partial:
    """A file in the making, beside its destination."""

    def __init__(self, destination: Path, overwrite: bool) -> None:
        self.destination = destination
        self.overwrite = overwrite
        self.size: int = 0
        """Bytes written so far."""
        self._path: Path
        self._sink: FileIO
        self._expected: Checksum | None = None
        self._taken: Any = None
        self._undo = contextlib.ExitStack()

    def open(self) -> None:
        """Begin, if there is a place to write to."""
        if self.destination.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        if not self.overwrite and os.path.lexists(self.destination):
            raise FileExistsError(None, "it exists; pass overwrite=True to replace it")
        shown = os.fsencode(self.destination.name)[:SHOWN].decode(errors="ignore")
        self._path = self.destination.with_name(f".{shown}.{os.urandom(8).hex()}.part")
        self._undo.callback(self._path.unlink, missing_ok=True)
        # Unbuffered: what comes is large, and closing then has nothing to write that may fail.
        self._sink = self._undo.enter_context(self._path.open("xb", buffering=0))

    @property
    def has_checksum(self) -> bool:
        """Whether a checksum is expected."""
        return self._expected is not None

    def expect(self, checksum: Checksum | None) -> None:
        """Take note, before the first byte, of what the file has to add up to."""
        self._expected = checksum
        self._taken = checksum and hashlib.new(checksum.name, usedforsecurity=False)

    def restart(self) -> None:
        """Forget all bytes."""
        self._sink.seek(0)
        self._sink.truncate()
        self.size = 0

    def write(self, chunks: Iterable[bytes]) -> None:
        """Add bytes; their part in the checksum is up to `digest`."""
        data = b"".join(chunks)  # each call that blocks costs a struggle for the interpreter
        left = memoryview(data)
        while left:
            left = left[self._sink.write(left) :]
        self.size += len(data)

    def digest(self, chunks: Iterable[bytes]) -> None:
        """Let bytes count in the checksum that is expected."""
        for chunk in chunks:
            self._taken.update(chunk)

    def wrong_checksum(self) -> str | None:
        """Name the checksum, if all these bytes together do not have it."""
        if self._expected is None or self._taken.digest() == self._expected.digest:
            return None
        return self._expected.name

    def publish(self) -> None:
        """Give the whole file its name, in such a way that even power loss leaves no half one."""
        os.fsync(self._sink.fileno())
        self._sink.close()  # before it is renamed: Windows wants that
        if self.overwrite:
            self._path.replace(self.destination)
        else:
            self._claim()
        self.discard()
        # The name is on disk only when the folder is. Not every system can do that.
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            folder = os.open(self.destination.parent, os.O_RDONLY)
            stack.callback(os.close, folder)
            os.fsync(folder)

    def _claim(self) -> None:
        """Take a name that nobody has; a link, unlike a renaming, never replaces a file."""
        try:
            self.destination.hardlink_to(self._path)
        except FileExistsError:
            raise FileExistsError(None, APPEARED) from None
        except OSError:  # a file system without links, such as that of a memory card
            if os.path.lexists(self.destination):
                raise FileExistsError(None, APPEARED) from None
            self._path.rename(self.destination)

    def discard(self) -> None:
        """Leave nothing behind but what has its final name; once more does no harm."""
        with contextlib.suppress(OSError):  # what cannot be removed harms nobody
            self._undo.close()
