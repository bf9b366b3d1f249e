"""What the tests of uploads share: pictures, and faults of the upload endpoints."""

import base64
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from vidgo_async import GrokImagine

PNG = b"\x89PNG\r\n\x1a\n" + b"a picture" * 9
KINDS = {
    "jpeg": b"\xff\xd8\xff\xe0 a picture",
    "png": PNG,
    "gif": b"GIF89a a picture",
    "webp": b"RIFF\x0a\x00\x00\x00WEBP a picture",
}


def data_url(data: bytes = PNG) -> str:
    """Make a data: URL."""
    return "data:image/png;base64," + base64.b64encode(data).decode()


def picture(folder: Path, name: str = "fox.png", data: bytes = PNG) -> Path:
    """Write a picture."""
    path = folder / name
    path.write_bytes(data)
    return path


class Gatherer:
    """A fault that lets uploads pass, and knows how many were under way and when each came."""

    def __init__(self) -> None:
        self.busy = self.most = 0

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.busy += 1
        self.most = max(self.most, self.busy)
        try:
            return await handler(request)
        finally:
            self.busy -= 1


def moving(*media: Any, prompt: str = "a fox") -> GrokImagine:
    return GrokImagine(prompt, image_urls=media)


def pictures(folder: Path, count: int) -> list[Path]:
    return [picture(folder, f"{i}.png", PNG + bytes([i])) for i in range(count)]
