"""A connector of aiohttp to a server in the same process: what is counted is the client alone.

No socket and no kernel is in between: what a client writes is answered in the next iteration of the
loop.
"""

import asyncio
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from benchmarks.fake_server import Api, content_length, respond


class InProcess(aiohttp.BaseConnector):
    """Leads every request to one API."""

    def __init__(self, api: Api) -> None:
        super().__init__(limit=0)
        self.api = api

    async def _create_connection(self, *_: object) -> ResponseHandler:
        protocol = ResponseHandler(self._loop)
        protocol.connection_made(_Transport(protocol, self.api))
        return protocol


class _Transport(asyncio.Transport):
    def __init__(self, protocol: ResponseHandler, api: Api) -> None:
        super().__init__()
        self._protocol = protocol
        self._api = api
        self._closing = False
        self._received = b""

    def write(self, data: Any) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n") + 4
        if end < 4 or len(self._received) - end < content_length(self._received[:end]):
            return
        head, body, self._received = self._received[:end], self._received[end:], b""
        method, path, _ = head[: head.index(b"\r\n")].decode().split(" ")
        answer = respond(self._api.answer(method, path, body))
        asyncio.get_running_loop().call_soon(self._protocol.data_received, answer)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()

    def pause_reading(self) -> None:
        """Do nothing: an answer comes in one piece."""

    def resume_reading(self) -> None:
        """Do nothing, as above."""
