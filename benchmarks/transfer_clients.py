"""The clients of the transfer benchmark, each in a process of its own.

`python -m benchmarks.transfer_clients NAME URL FILE` downloads to that file, or uploads it.
"""

import asyncio
import os
import resource
import sys
from pathlib import Path

import aiohttp

from benchmarks import stopwatch
from vidgo_async import MediaFile, VidgoSession

KEY = "sandbox-key"


async def download(url: str, file: Path) -> None:
    """Ours, with all checks."""
    async with VidgoSession(KEY, base_url="http://127.0.0.1:9") as vidgo:
        await vidgo.download(MediaFile(url), file)


async def bare_download(url: str, file: Path) -> None:
    """A loop that writes and syncs, and verifies nothing."""
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        with file.open("wb") as sink:
            async for chunk in response.content.iter_any():
                sink.write(chunk)
            sink.flush()
            os.fsync(sink.fileno())


async def upload(url: str, file: Path) -> None:
    """Ours, from disk."""
    async with VidgoSession(KEY, base_url=url) as vidgo:
        await vidgo.upload(file)


async def bare_upload(url: str, file: Path) -> None:
    """The form data of aiohttp."""
    form = aiohttp.FormData()
    with file.open("rb") as source:
        form.add_field("file", source, filename=file.name)
        headers = {"Authorization": f"Bearer {KEY}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(f"{url}/api/common/upload/stream", data=form) as response,
        ):
            assert response.status == 200
            await response.read()


CLIENTS = {
    "download": download,
    "bare download": bare_download,
    "upload": upload,
    "bare upload": bare_upload,
}


def main(name: str, url: str, file: str) -> None:
    """Measure one client; print its memory on stderr, in KiB."""

    async def transfer() -> None:
        await asyncio.to_thread(int)  # the memory of the first thread is not counted
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await CLIENTS[name](url, Path(file))
        extra = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(extra, file=sys.stderr)

    stopwatch.measure(transfer)


if __name__ == "__main__":
    main(*sys.argv[1:])
