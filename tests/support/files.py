"""Files on disk: their names, their frames, and downloads that are checked."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import attrs
import av

from vidgo_async import MediaFile, VidgoSession
from vidgo_async.sandbox import Sandbox

SIZE = 3_000_001
"""Bytes of a file that is cut or stalled: an odd number, so that no buffer ends there."""
MIDDLE = SIZE // 2
ABOUT = ("outcomes.jsonl", "index.html", "failed.jsonl", ".vidgo-journal")
"""Files that tell of the videos beside them."""


def names_in(folder: Path) -> list[str]:
    """Return the names of the files in a folder, sorted; without those that tell of the others."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith(ABOUT))


def count_frames(path: Path) -> int:
    """Decode a video to its end."""
    with av.open(path) as video:
        return sum(1 for _ in video.decode(video=0))


def requested_ranges(sandbox: Sandbox) -> list[str | None]:
    """Return the `Range` of each request for a file."""
    calls = [call for call in sandbox.calls if call.name == "file"]
    return [call.headers.get("Range") if call.headers else "?" for call in calls]


@attrs.frozen
class CheckedDownload:
    """Downloads one video, and checks that the file is complete, correct and alone."""

    _vidgo: VidgoSession
    _video: MediaFile
    _folder: Path
    _sha256: str

    async def __call__(
        self, on_progress: Callable[[int, int | None], object] | None = None
    ) -> None:
        """Download it once; the file is removed after the check."""
        path = await self._vidgo.download(
            self._video, self._folder / "fox.mp4", on_progress=on_progress
        )
        assert names_in(self._folder) == ["fox.mp4"]
        assert path.stat().st_size == SIZE
        assert hashlib.sha256(path.read_bytes()).hexdigest() == self._sha256
        path.unlink()
