"""Pictures to upload, and requests that hold them."""

import base64
from pathlib import Path
from typing import Any

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


def moving(*media: Any, prompt: str = "a fox") -> GrokImagine:
    return GrokImagine(prompt, image_urls=media)


def pictures(folder: Path, count: int) -> list[Path]:
    return [picture(folder, f"{i}.png", PNG + bytes([i])) for i in range(count)]
