"""Servers that are not the sandbox."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Callable, Generator

from aiohttp import web


def free_port() -> int:
    """Return a port at which nothing listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def serving(runner: web.BaseRunner) -> AsyncGenerator[str]:
    """Run a server on a free port, and give its address as `host:port`."""
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"127.0.0.1:{site.port}"
    finally:
        await runner.cleanup()


@contextlib.contextmanager
def deaf_server() -> Generator[str]:
    """Listen at an address where connections are never made: the queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextlib.asynccontextmanager
async def answering(answer: Callable[[str], bytes]) -> AsyncGenerator[str]:
    """Answer requests for their raw targets with raw bytes, one on each connection.

    Args:
        answer: Called with the target as it is in the request line.
    """

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            writer.write(answer(head.split(" ")[1]))
            if writer.can_write_eof():
                writer.write_eof()
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"
