"""Fixtures of the tests of downloads and uploads."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.files import CheckedDownload
from tests.support.sessions import FOX, open_session
from vidgo_async import MediaFile, VidgoSession
from vidgo_async.sandbox import Sandbox


@pytest.fixture
def sandbox_settings() -> dict[str, Any]:
    """Settings of the sandbox, for modules to override."""
    return {}


@pytest.fixture
async def sandbox(sandbox_settings: dict[str, Any]) -> AsyncIterator[Sandbox]:
    """Run a sandbox whose tasks finish at once."""
    async with Sandbox(seconds=(0, 0), **sandbox_settings) as sandbox:
        yield sandbox


@pytest.fixture
async def vidgo(sandbox: Sandbox) -> AsyncIterator[VidgoSession]:
    """Open a session for the sandbox."""
    async with open_session(sandbox) as vidgo:
        yield vidgo


@pytest.fixture
async def video(sandbox: Sandbox, vidgo: VidgoSession) -> MediaFile:
    """Buy a video; the requests for it do not count."""
    task = await vidgo.submit(FOX)
    file = (await vidgo.get_task(task.task_id)).files[0]
    sandbox.received.clear()
    return file


@pytest.fixture
async def digest(sandbox: Sandbox, vidgo: VidgoSession, video: MediaFile, tmp_path: Path) -> str:
    """The file's SHA-256, from a download without faults."""
    path = await vidgo.download(video, tmp_path / "good")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.unlink()
    sandbox.calls.clear()
    sandbox.received.clear()
    return digest


@pytest.fixture
def download(vidgo: VidgoSession, video: MediaFile, digest: str, tmp_path: Path) -> CheckedDownload:
    """Give a function that downloads the video and checks the file."""
    return CheckedDownload(vidgo, video, tmp_path, digest)
