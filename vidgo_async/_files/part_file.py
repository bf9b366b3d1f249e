"""The part file: the bytes of a download under a temporary name, until it is complete.

All methods that touch the disk block: they run in threads, one at a time; `digest` may run beside
`write`.
"""

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidgo_async._files.range_headers import Checksum

if TYPE_CHECKING:
    from io import FileIO

MAX_PREFIX = 100
"""Bytes of the final name in the temporary one; file systems allow 255 for all of it."""
UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
"""What `fsync` answers on file systems that have none, such as network shares."""
TRIAL_SIZE = 4096
"""Bytes of the file that tries a folder out: so many take room on any disk."""
APPEARED = "it appeared meanwhile; pass overwrite=True to replace it"


class PartFile:
    """A file that is being written, beside its destination."""

    def __init__(self, destination: Path, overwrite: bool) -> None:
        self.destination = destination
        self.overwrite = overwrite
        self.size: int = 0
        """Bytes written so far."""
        self._path: Path
        self._sink: FileIO
        self._is_open = False
        self._begins = False
        """Whether the next write begins with the first byte."""
        self._expected: Checksum | None = None
        self._hash: Any = None
        self._cleanup = contextlib.ExitStack()

    def check(self) -> None:
        """Find out whether the destination may be written, before anything is fetched.

        Raises:
            OSError: Its folder is not there; or it is a folder, or a file not to be replaced.
        """
        self.destination.parent.stat()
        if self.destination.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        if not self.overwrite and os.path.lexists(self.destination):
            raise FileExistsError(None, "it exists; pass overwrite=True to replace it")

    def open(self) -> None:
        """Create it.

        Raises:
            OSError: It cannot be created.
        """
        prefix = os.fsencode(self.destination.name)[:MAX_PREFIX].decode(errors="ignore")
        self._path = self.destination.with_name(_part_name(prefix))
        self._cleanup.callback(self._path.unlink, missing_ok=True)
        # Unbuffered: chunks are large, and closing then has nothing to write that may fail.
        self._sink = self._cleanup.enter_context(self._path.open("xb", buffering=0))
        self._is_open = True

    @property
    def has_checksum(self) -> bool:
        """Whether a checksum is expected."""
        return self._expected is not None

    def expect(self, checksum: Checksum | None) -> None:
        """Set, before the first byte, the checksum that the whole file must have."""
        self._expected = checksum
        self._hash = checksum and hashlib.new(checksum.name, usedforsecurity=False)

    def restart(self) -> None:
        """Begin with the first byte; the next write drops all others. Does not block."""
        self.size = 0
        self._begins = True

    def write(self, chunks: Iterable[bytes]) -> None:
        """Append bytes; the checksum gets them by `digest`."""
        self._prepare()
        data = b"".join(chunks)  # one `write` instead of many: each re-acquires the GIL
        left = memoryview(data)
        while left:
            left = left[self._sink.write(left) :]
        self.size += len(data)

    def _prepare(self) -> None:
        """Create the file with its first write: many links that do not work create none."""
        if not self._is_open:
            self.open()
        elif self._begins:
            self._sink.seek(0)
            self._sink.truncate()
        self._begins = False

    def digest(self, chunks: Iterable[bytes]) -> None:
        """Add bytes to the checksum that is expected."""
        for chunk in chunks:
            self._hash.update(chunk)

    def wrong_checksum(self) -> str | None:
        """Name the checksum, if the bytes do not have it."""
        if self._expected is None or self._hash.digest() == self._expected.digest:
            return None
        return self._expected.name

    def publish(self) -> None:
        """Give the whole file its name, such that even power loss leaves no half one."""
        self._prepare()
        try:
            os.fsync(self._sink.fileno())
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
        self._sink.close()  # before it is renamed: Windows wants that
        if self.overwrite:
            self._path.replace(self.destination)
        else:
            self._rename_to_new()
        self.discard()
        # The name is on disk only when the folder is. Not every system can do that.
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            folder = os.open(self.destination.parent, os.O_RDONLY)
            stack.callback(os.close, folder)
            os.fsync(folder)

    def _rename_to_new(self) -> None:
        """Take a name that no file has; a link, unlike a renaming, never replaces a file."""
        try:
            self.destination.hardlink_to(self._path)
        except FileExistsError:
            raise FileExistsError(None, APPEARED) from None
        except OSError:  # a file system without links, such as that of a memory card
            if os.path.lexists(self.destination):
                raise FileExistsError(None, APPEARED) from None
            self._path.rename(self.destination)

    def discard(self) -> None:
        """Remove the temporary name, and close the file; calling it again does no harm."""
        with contextlib.suppress(OSError):  # a temporary file that stays does no harm
            self._cleanup.close()


def try_folder(folder: Path) -> Path:
    """Make a folder, and create and remove a file in it; return its path from the root.

    Raises:
        OSError: It takes no files; the error names the folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / _part_name("trial")
        with contextlib.ExitStack() as stack:
            stack.callback(path.unlink, missing_ok=True)
            stack.enter_context(path.open("xb", buffering=0)).write(bytes(TRIAL_SIZE))
        return folder.absolute()
    except OSError as error:
        # Of its own class, such as PermissionError, which the number decides.
        raise OSError(error.errno, error.strerror, str(folder)) from error


def _part_name(name: str) -> str:
    return f".{name}.{os.urandom(8).hex()}.part"
