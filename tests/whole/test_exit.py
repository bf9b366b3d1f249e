"""The end of the program: quiet, whatever was under way."""

import signal
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.usefixtures("interruptible")

PRELUDE = """
import asyncio, logging
from vidgo_async import FixedPolling, GrokImagine, VidgoSession
from vidgo_async.sandbox import Sandbox, hang

FOX = GrokImagine(prompt="a fox")
POLLING = FixedPolling(0.05)
logging.getLogger("vidgo_async").addHandler(logging.NullHandler())
logging.getLogger("asyncio").setLevel(logging.ERROR)  # a slow machine's long steps are no fault
"""


def program(body: str) -> "subprocess.Popen[str]":
    """Start a program with all warnings as errors."""
    source = PRELUDE + textwrap.dedent(body)
    return subprocess.Popen(  # noqa: S603 - our own text
        [sys.executable, "-X", "dev", "-W", "error", "-c", source],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


WAYS = {
    "waiting": "await vidgo.wait((await vidgo.submit(FOX)).task_id, timeout=None)",
    "batch": """
        async for outcome in vidgo.generate_many([FOX] * 50, timeout=None):
            raise AssertionError
    """,
    "stream": """
        async for task in vidgo.as_completed(await vidgo.submit_many([FOX] * 20)):
            raise AssertionError
    """,
    "submit": """
        sandbox.inject(hang, times=None)
        await vidgo.submit_many([FOX] * 3)
    """,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_ctrl_c_is_quiet(way: str) -> None:
    """After Ctrl-C there is the KeyboardInterrupt, and no warning and no other complaint."""
    body = textwrap.indent(textwrap.dedent(way).strip(), " " * 12)
    running = program(f"""
async def main():
    async with Sandbox(seconds=(999, 999)) as sandbox:
        async with VidgoSession(
            sandbox.api_key, base_url=sandbox.url, polling=POLLING, request_timeout=1.0
        ) as vidgo:
            print("open", flush=True)
            asyncio.get_running_loop().call_later(0.3, lambda: print("under way", flush=True))
{body}

asyncio.run(main())
""")
    with running:
        assert running.stdout is not None
        assert [running.stdout.readline() for _ in range(2)] == ["open\n", "under way\n"]
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=30)
    assert errors.rstrip().endswith("KeyboardInterrupt")
    for complaint in ("Warning", "never retrieved", "was destroyed", "Exception ignored"):
        assert complaint not in errors


def test_the_end_of_the_loop_is_quiet() -> None:
    """Streams and tasks that remain when `asyncio.run` ends cause no warning."""
    running = program("""
    kept = []

    async def main():
        async with Sandbox(seconds=(999, 999)) as sandbox:
            async with VidgoSession(
                sandbox.api_key, base_url=sandbox.url, polling=POLLING
            ) as vidgo:
                task = await vidgo.submit(FOX)
                kept.append(asyncio.create_task(vidgo.wait(task)))
                kept.append(aiter(vidgo.as_completed([task, "x"])))
                kept.append(aiter(vidgo.generate_many([FOX] * 5)))
                kept.append(vidgo)
                while sandbox.sold < 6:
                    await asyncio.sleep(0.01)
            try:
                await kept[0]
            except RuntimeError as error:
                print(type(error).__name__, len(vidgo.unclaimed))

    asyncio.run(main())
    """)
    out, errors = running.communicate(timeout=30)
    assert (running.returncode, out, errors) == (0, "SessionClosedError 5\n", "")
