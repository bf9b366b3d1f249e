"""Folders as batches leave them: records, and small real files."""

import json
import struct
import wave
import zlib
from pathlib import Path
from typing import Any

import attrs

from vidgo_async.sandbox.media.mp4 import make_mp4

RUN = "2026-01-01T10:00:00Z"
LATER = "2026-01-02T10:00:00Z"


@attrs.frozen
class Folder:
    """A folder with `outcomes.jsonl`."""

    path: Path

    def add(self, prompt: str | None = "a fox", **fields: Any) -> None:
        """Append a record; its model's other parameters are `parameters`."""
        parameters = fields.pop("parameters", {})
        record = {
            "version": 1,
            "run": RUN,
            "number": 1,
            "model": "grok-imagine",
            "input": parameters if prompt is None else {"prompt": prompt, **parameters},
            "state": "saved",
            "task_id": None,
            "credits": 15.0,
            "seconds": 38.2,
            "submitted_at": "2026-01-01T10:00:00+00:00",
            "ended_at": "2026-01-01T10:01:00+00:00",
            "files": [],
            "error": None,
            "error_type": None,
            **fields,
        }
        self.add_line(json.dumps(record))

    def add_line(self, line: str) -> None:
        """Append a line as it is."""
        with (self.path / "outcomes.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def add_video(self, name: str, prompt: str = "a fox", **fields: Any) -> None:
        """Append a record with a video of its own."""
        self.video(name, *fields.pop("size", (256, 144)))
        self.add(prompt, files=[name], task_id=f"task-{name}", **fields)

    def video(self, name: str, width: int = 256, height: int = 144) -> Path:
        """Write a video of two seconds."""
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(make_mp4(width, height, 2, seed=len(name)))
        return path

    def picture(self, name: str, width: int = 60, height: int = 40) -> Path:
        """Write a picture."""
        path = self.path / name
        path.write_bytes(png(width, height))
        return path

    def sound(self, name: str) -> Path:
        """Write half a second of silence."""
        path = self.path / name
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(1)
            file.setframerate(8000)
            file.writeframes(b"\x80" * 4000)
        return path

    @property
    def names(self) -> list[str]:
        """The names of all that is there."""
        return sorted(path.name for path in self.path.iterdir())

    @property
    def page(self) -> str:
        """The page that was written."""
        return (self.path / "index.html").read_text("utf-8")


def png(width: int, height: int) -> bytes:
    """Make a green picture."""
    rows = (b"\0" + b"\x20\x80\x50" * width) * height

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
