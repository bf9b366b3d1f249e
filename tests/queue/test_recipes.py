"""What READMEs show of the queue runs as it stands."""

import asyncio
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.queues import PATIENCE, until
from tests.support.readme import as_module, python_blocks
from tests.support.servers import free_port
from tests.support.sessions import foxes
from vidgo_async import VidgoSession
from vidgo_async.queue import BatchQueue
from vidgo_async.sandbox import Sandbox, reset_after

BLOCKS = [
    block
    for name in ("README.md", "vidgo_async/queue/README.md")
    for block in python_blocks(name)
    if "BatchQueue" in block
]


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
async def test_each_block_runs(
    block: str, url: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It buys what is in the queue, settles what is unknown, or takes callbacks."""
    mains: list[Any] = []
    monkeypatch.setattr(anyio, "run", mains.append)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("builtins.input", lambda _: "")
    monkeypatch.setenv("QUEUE_URL", url)
    monkeypatch.setenv("VIDGO_BASE_URL", sandbox.url)
    monkeypatch.setenv("VIDGO_API_KEY", sandbox.api_key)
    monkeypatch.setenv("VIDGO_POLL_INTERVAL", "0.05")
    monkeypatch.delenv("VIDGO_WEBHOOK_TOKEN", raising=False)
    await leave_an_unknown_one(url, sandbox)
    port = str(free_port())
    names: dict[str, Any] = {}
    block = block.replace("8080", port).replace("/mnt/videos", str(tmp_path / "videos"))
    exec(compile(as_module(block), "README.md", "exec"), names)  # noqa: S102 - our own text
    running = asyncio.create_task(names["main"]())
    if "sleep_forever" in block:
        async with asyncio.timeout(PATIENCE):
            while not await _is_served(int(port)):  # noqa: ASYNC110 - nobody tells
                await anyio.sleep(0.01)
    elif "queue.work" in block:
        await until(lambda: list((tmp_path / "videos").glob("*.mp4")))
    else:
        await running
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled() or running.exception() is None


async def leave_an_unknown_one(url: str, sandbox: Sandbox) -> None:
    """Have one request that is unknown, and one to do."""
    async with BatchQueue(url) as queue, VidgoSession() as vidgo:
        sandbox.inject(reset_after, call="submit")
        await queue.add("foxes", foxes(1))
        await queue.work(vidgo, until_empty=True)
        await queue.add("foxes", foxes(2))


async def _is_served(port: int) -> bool:
    try:
        stream = await anyio.connect_tcp("127.0.0.1", port)
    except OSError:
        return False
    await stream.aclose()
    return True
