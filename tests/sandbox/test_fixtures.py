"""Prove that the fixture works in any kind of test that a user may write."""

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


def request_balance() -> int:
    """Request the balance, as an app without asyncio does."""
    request = urllib.request.Request(  # noqa: S310 - the sandbox's own address
        os.environ["VIDGO_BASE_URL"] + "/api/user/balance",
        headers={"Authorization": f"Bearer {os.environ['VIDGO_API_KEY']}"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
        return int(response.status)


def test_without_asyncio(vidgo_sandbox: Sandbox) -> None:
    """A test without asyncio can call the sandbox, and sees its requests."""
    assert request_balance() == 200
    assert vidgo_sandbox.received == {"balance": 1}


async def test_with_asyncio(vidgo_sandbox: Sandbox) -> None:
    """An async test finds the sandbox by the environment, and faults apply."""
    vidgo_sandbox.inject(answer(429, headers={"Retry-After": "0"}))
    async with VidgoSession(polling=SOON) as vidgo:
        task = await vidgo.generate(PROMPT)
    assert task.finished
    assert list(vidgo_sandbox.tasks) == [task.task_id]
    assert [call.sold for call in vidgo_sandbox.calls[:2]] == [False, True]


async def test_an_app_notices_its_videos_soon(vidgo_sandbox: Sandbox) -> None:
    """An app that does not choose a policy waits for no video longer than that takes."""
    async with VidgoSession() as vidgo:
        with anyio.fail_after(5):
            assert (await vidgo.generate(PROMPT)).finished
    assert vidgo_sandbox.sold == 1


def test_the_interval_of_polls_is_set(vidgo_sandbox: Sandbox) -> None:
    """The fixture says how often to poll, for apps in other processes too."""
    assert os.environ["VIDGO_BASE_URL"] == vidgo_sandbox.url
    assert 0 < float(os.environ["VIDGO_POLL_INTERVAL"]) <= 0.1


def test_with_a_loop_of_its_own(vidgo_sandbox: Sandbox) -> None:
    """An app may run its own event loop."""

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
    """A test may set the sandbox's settings, and read the account at any time."""
    async with VidgoSession(polling=SOON) as vidgo:
        tasks = await vidgo.submit_many([PROMPT] * 3)
        assert [task.failed async for task in vidgo.as_completed(tasks)] == [True] * 3
    assert vidgo_sandbox.credits == 3.0


def test_faults_from_another_thread(vidgo_sandbox: Sandbox) -> None:
    """Faults can be injected while requests come in, and each applies exactly once."""
    stop = threading.Event()

    def inject() -> None:
        for _ in range(100):
            vidgo_sandbox.inject(answer(204), call="balance")
        stop.set()

    thread = threading.Thread(target=inject)
    thread.start()
    seen: list[int] = []
    over = False
    while not over:
        all_injected = stop.is_set()
        seen.append(request_balance())
        over = all_injected and seen[-1] != 204
    thread.join()
    assert seen.count(204) == 100


async def test_conftest_of_a_user(tmp_path: Path) -> None:
    """One line in a conftest adds the fixture, without a setting or another plugin."""
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["vidgo_async.sandbox.fixtures"]')
    (tmp_path / "test_app.py").write_text(
        textwrap.dedent("""
            import os

            def test_app(vidgo_sandbox):
                assert os.environ["VIDGO_BASE_URL"] == vidgo_sandbox.url

            def test_app_without():
                assert "VIDGO_BASE_URL" not in os.environ
                assert "VIDGO_POLL_INTERVAL" not in os.environ
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
