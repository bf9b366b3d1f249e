"""Prove that the fixture serves any kind of test, as a user would write it."""

import asyncio
import os
import sys
import textwrap
import threading
import urllib.request
from pathlib import Path

import anyio
import pytest

from vidgo_async import FixedPolling, GrokImagine, VidgoSession
from vidgo_async.sandbox import Sandbox, answer, reset_after

pytest_plugins = ["vidgo_async.sandbox.fixtures"]

PROMPT = GrokImagine(prompt="a fox in snow")
SOON = FixedPolling(0.1)


def ask() -> int:
    """Ask for the balance, as an app without asyncio does."""
    request = urllib.request.Request(  # noqa: S310 - the sandbox's own address
        os.environ["VIDGO_BASE_URL"] + "/api/user/balance",
        headers={"Authorization": f"Bearer {os.environ['VIDGO_API_KEY']}"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
        return int(response.status)


def test_without_asyncio(vidgo_sandbox: Sandbox) -> None:
    """A test that knows nothing of asyncio talks to it, and sees what came in."""
    assert ask() == 200
    assert vidgo_sandbox.received == {"balance": 1}


async def test_with_asyncio(vidgo_sandbox: Sandbox) -> None:
    """An async test finds it by the environment, and its faults strike."""
    vidgo_sandbox.inject(answer(429, headers={"Retry-After": "0"}))
    async with VidgoSession(polling=SOON) as vidgo:
        task = await vidgo.generate(PROMPT)
    assert task.finished
    assert list(vidgo_sandbox.tasks) == [task.task_id]
    assert [call.sold for call in vidgo_sandbox.calls[:2]] == [False, True]


def test_with_a_loop_of_its_own(vidgo_sandbox: Sandbox) -> None:
    """An app that runs a loop of its own is served like any other."""

    async def buy() -> None:
        async with VidgoSession() as vidgo:
            await vidgo.submit(PROMPT)

    vidgo_sandbox.inject(reset_after, call="balance")
    asyncio.run(buy())
    assert vidgo_sandbox.sold == 1


@pytest.mark.parametrize(
    "vidgo_sandbox", [{"credits": 3.0, "price": 1.0, "failure_rate": 1.0}], indirect=True
)
async def test_with_other_settings(vidgo_sandbox: Sandbox) -> None:
    """A test may run it with settings of its own, and ask for the account at any time."""
    async with VidgoSession(polling=SOON) as vidgo:
        tasks = await vidgo.submit_many([PROMPT] * 3)
        assert [task.failed async for task in vidgo.as_completed(tasks)] == [True] * 3
    assert vidgo_sandbox.credits == 3.0


def test_faults_from_another_thread(vidgo_sandbox: Sandbox) -> None:
    """Faults can be installed while requests come in: each strikes exactly once."""
    stop = threading.Event()

    def install() -> None:
        for _ in range(100):
            vidgo_sandbox.inject(answer(204), call="balance")
        stop.set()

    thread = threading.Thread(target=install)
    thread.start()
    seen: list[int] = []
    over = False
    while not over:
        all_installed = stop.is_set()
        seen.append(ask())
        over = all_installed and seen[-1] != 204
    thread.join()
    assert seen.count(204) == 100


async def test_conftest_of_a_user(tmp_path: Path) -> None:
    """One line in a conftest brings the fixture, with no setting and no other plugin."""
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["vidgo_async.sandbox.fixtures"]')
    (tmp_path / "test_app.py").write_text(
        textwrap.dedent("""
            import os

            def test_app(vidgo_sandbox):
                assert os.environ["VIDGO_BASE_URL"] == vidgo_sandbox.url

            def test_app_without():
                assert "VIDGO_BASE_URL" not in os.environ
        """)
    )
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"]
    ended = await anyio.run_process([*command, str(tmp_path)], cwd=tmp_path, check=False)
    assert ended.returncode == 0, ended.stdout
    assert b"2 passed" in ended.stdout


async def test_sandbox_needs_no_pytest() -> None:
    """Only the fixture's own module imports pytest."""
    code = "import vidgo_async.sandbox, sys; sys.exit('pytest' in sys.modules)"
    assert (await anyio.run_process([sys.executable, "-c", code], check=False)).returncode == 0
