"""A server of bare sockets: what happens on a connection, and when, is up to the test."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable

KEEP_ALIVE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


class RawConnection:
    """The server's side of one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.received: bytes = b""
        self._socket = connection
        self._loop = asyncio.get_running_loop()

    async def read(self, least: int = 1) -> bytes:
        """Read until that many bytes are there, or the client is gone; return all of them."""
        while len(self.received) < least:
            chunk = await self._loop.sock_recv(self._socket, 65536)
            if not chunk:
                break
            self.received += chunk
        return self.received

    async def read_request(self) -> bytes:
        """Read one request to its end, and forget it."""
        while b"\r\n\r\n" not in self.received:
            before = len(self.received)
            if len(await self.read(before + 1)) == before:
                return b""
        head, _, _ = self.received.partition(b"\r\n\r\n")
        length = [line for line in head.lower().split(b"\r\n") if b"content-length" in line]
        size = len(head) + 4 + (int(length[0].split(b":")[1]) if length else 0)
        request, self.received = (await self.read(size))[:size], self.received[size:]
        return request

    async def answer(self, payload: object, head: bytes = KEEP_ALIVE) -> None:
        """Respond with JSON, and keep the connection open."""
        body = json.dumps(payload).encode()
        await self.send(head % len(body) + body)

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        with contextlib.suppress(ConnectionError):
            await self._loop.sock_sendall(self._socket, data)

    def close(self) -> None:
        """Send a FIN, at once."""
        self._socket.close()

    def reset(self) -> None:
        """Send a RST, at once."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()


Script = Callable[[RawConnection, int], Awaitable[None]]
"""What a server does with a connection, given its number from 0 on."""


@contextlib.asynccontextmanager
async def raw_server(script: Script) -> AsyncGenerator[str]:
    """Run a script for each connection, and give the address."""
    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Task[None]] = []
    opened: list[RawConnection] = []

    async def accept() -> None:
        while True:
            connection, _ = await loop.sock_accept(listener)
            connection.setblocking(False)
            opened.append(RawConnection(connection))
            tasks.append(asyncio.create_task(serve(opened[-1], len(opened) - 1)))

    async def serve(connection: RawConnection, number: int) -> None:
        with contextlib.suppress(ConnectionError):
            await script(connection, number)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        tasks.append(asyncio.create_task(accept()))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for connection in opened:
                connection.close()
