"""The body of one upload request: a file between two texts, read in threads while it is sent."""

import io
import secrets
import threading
from collections.abc import Mapping

from vidgo_async._core.concurrency import Threads

PIECE = 512 * 1024
"""Bytes that are read and sent at a time."""


class UploadBody:
    """A file, and the head and the tail that make it a request body.

    A thread cannot be stopped: a lock keeps the file open while one reads, even after the task
    that waited for it was cancelled.
    """

    def __init__(
        self,
        file: io.FileIO | io.BytesIO,
        length: int,
        threads: Threads,
        *,
        content_type: str,
        name: str = "",
        head: bytes = b"",
        tail: bytes = b"",
    ) -> None:
        """Take over an open file.

        Args:
            file: The file, at its beginning.
            length: Its bytes, as it was when it was opened.
            threads: Where it is read.
            content_type: The `Content-Type` header.
            name: The file, in an error's words.
            head: What comes before it.
            tail: What comes after it.
        """
        self.size: int = len(head) + length + len(tail)
        """Bytes in all."""
        self.content_type = content_type
        self.failure: Exception | None = None
        """Why it could not be read to its end."""
        self._file = file
        self._name = name
        self._threads = threads
        self._left = length
        """Bytes of the file that are not read yet."""
        self._head = head
        self._tail = tail
        self._lock = threading.Lock()

    async def read(self) -> bytes:
        """Return the next piece; nothing at the end, or once it is closed.

        Raises:
            ValueError: The file grew or shrank.
            OSError: It cannot be read.
        """
        try:
            return await self._threads.run(self._next)
        except Exception as error:
            self.failure = error
            raise

    def close(self) -> None:
        """Close the file, once no thread reads it; blocks."""
        with self._lock:
            self._file.close()

    def _next(self) -> bytes:
        with self._lock:
            return b"" if self._file.closed else self._piece()

    def _piece(self) -> bytes:
        piece = self._file.read(min(PIECE, self._left)) or b""
        head, self._head = self._head, b""
        self._left -= len(piece)
        # Another length than was promised would end in a broken request, or in a wait for ever.
        if (not piece and self._left) or (not self._left and self._file.read(1)):
            msg = f"{self._name} changed while it was being uploaded"
            raise ValueError(msg)
        if self._left:
            return head + piece
        self._file.close()
        return head + piece + self._tail


def multipart_body(
    file: io.FileIO | io.BytesIO,
    length: int,
    threads: Threads,
    *,
    fields: Mapping[str, str],
    file_name: str,
    media_type: str,
    name: str = "",
) -> UploadBody:
    """Put a file into a form (RFC 7578), its name in UTF-8 as browsers send it."""
    boundary = f"vidgo-{secrets.token_hex(16)}"
    start = f'--{boundary}\r\nContent-Disposition: form-data; name="'
    texts = "".join(f'{start}{key}"\r\n\r\n{text}\r\n' for key, text in fields.items())
    quoted = file_name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    head = f'{texts}{start}file"; filename="{quoted}"\r\nContent-Type: {media_type}\r\n\r\n'
    return UploadBody(
        file,
        length,
        threads,
        content_type=f"multipart/form-data; boundary={boundary}",
        name=name,
        head=head.encode("utf-8", "replace"),
        tail=f"\r\n--{boundary}--\r\n".encode(),
    )
