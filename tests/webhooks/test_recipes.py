"""The apps of the READMEs, served by a real uvicorn, and called back by the sandbox."""

import os
import re
import sys
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from tests.support.readme import python_blocks
from tests.support.servers import free_port
from tests.support.webhooks import TOKEN, flat
from vidgo_async.sandbox import Sandbox

FASTAPI, STARLETTE = (
    next(block for block in python_blocks("vidgo_async/webhooks/README.md") if mark in block)
    for mark in ("app = FastAPI(", "app = Starlette(")
)
HANDLER = next(
    block for block in python_blocks("vidgo_async/webhooks/README.md") if "def take" in block
)


async def post(url: str, until: float = 10.0) -> str:
    """Post to an app as soon as it is up; return the text of its answer."""
    with anyio.fail_after(until):
        while True:
            try:
                async with aiohttp.ClientSession() as client, client.post(url) as response:
                    assert response.status == 200
                    return await response.text()
            except aiohttp.ClientConnectorError:
                await anyio.sleep(0.05)


@pytest.mark.parametrize("block", [FASTAPI, STARLETTE], ids=["FastAPI", "Starlette"])
async def test_an_app_is_called_back(block: str, tmp_path: Path) -> None:
    """Each app as it stands makes a video, by a callback and one poll, and logs no token."""
    (tmp_path / "recipe.py").write_text(block)
    port = str(free_port())
    async with Sandbox(seconds=(1, 1.2)) as sandbox:
        environment = {
            **os.environ,
            "VIDGO_BASE_URL": sandbox.url,
            "VIDGO_API_KEY": sandbox.api_key,
            "VIDGO_WEBHOOK_TOKEN": TOKEN,
            "WEBHOOK_URL": f"http://127.0.0.1:{port}/vidgo/",
        }
        environment.pop("VIDGO_POLL_INTERVAL", None)
        command = [sys.executable, "-W", "error", "-m", "uvicorn", "recipe:app", "--port", port]
        async with await anyio.open_process(
            command, env=environment, cwd=tmp_path, stderr=-2
        ) as server:
            try:
                link = await post(f"http://127.0.0.1:{port}/videos?prompt=a+fox")
            finally:
                server.terminate()
            assert server.stdout is not None
            log = b"".join([chunk async for chunk in server.stdout]).decode()

        assert re.fullmatch(rf'"?{sandbox.url}/files/.*\.mp4"?', link)
        assert sandbox.received["status"] == 1
        assert [attempt.status for attempt in sandbox.callback_attempts] == [200]
        assert "POST /vidgo/" in log
        assert TOKEN not in log
        assert "Traceback" not in log


async def test_a_framework_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The function of the README answers as the ready-made routes do."""
    monkeypatch.setenv("VIDGO_WEBHOOK_TOKEN", TOKEN)
    names: dict[str, Any] = {}
    exec(compile(HANDLER, "README.md", "exec"), names)  # noqa: S102 - our own text
    take = names["take"]

    assert await take(flat("a"), {"vidgo_token": TOKEN}) == (200, "ok")
    assert (await take(flat("a"), {}))[0] == 401
    assert (await take(b"", {"vidgo_token": TOKEN}))[0] == 400
