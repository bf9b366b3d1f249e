"""Downloads that are killed, and large ones: in processes of their own."""

import sys
from pathlib import Path

import anyio
from anyio.abc import ByteReceiveStream
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.support.files import names_in
from tests.support.sessions import FOX, open_session
from vidgo_async.sandbox import Sandbox, stall_at

SIZE = 64 * 2**20
MEMORY = 64 * 2**20

PROGRAM = """
import asyncio, resource, sys
from vidgo_async import MediaFile, VidgoSession

url, address, target = sys.argv[1:]

def tell(done, total):
    if done >= 2**22:
        print("begun", flush=True)

def memory():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

async def main():
    async with VidgoSession("a-key-for-tests", base_url=url) as vidgo:
        before = memory()
        await vidgo.download(MediaFile(address), target, on_progress=tell)
        print("memory", memory() - before, flush=True)

asyncio.run(main())
"""


async def _line_of(stream: ByteReceiveStream | None) -> bytes:
    assert stream is not None
    return await BufferedByteReceiveStream(stream).receive_until(b"\n", 1000)


async def test_kill_in_the_middle_and_again(tmp_path: Path) -> None:
    """After kill -9 the file is not there; the next download makes it, complete and correct."""
    async with Sandbox(seconds=(0, 0), file_size=SIZE) as sandbox:
        async with open_session(sandbox) as vidgo:
            task = await vidgo.submit(FOX)
            file = (await vidgo.get_task(task.task_id)).files[0]
            sandbox.inject(stall_at(SIZE // 2), call="file")
            target = tmp_path / "fox.mp4"
            command = [sys.executable, "-c", PROGRAM, sandbox.url, file.file_url, str(target)]
            async with await anyio.open_process(command) as process:
                assert await _line_of(process.stdout) == b"begun"
                process.kill()
            assert process.returncode not in {0, None}
            [leftover] = names_in(tmp_path)
            assert leftover.startswith(".fox.mp4.")
            assert leftover.endswith(".part")
            await vidgo.download(file, target)  # its checksum is verified
        assert target.stat().st_size == SIZE
        assert names_in(tmp_path) == [leftover, "fox.mp4"]


async def test_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    """A file of 256 MiB takes far less memory than that, and so would any other."""
    async with Sandbox(seconds=(0, 0), file_size=4 * SIZE) as sandbox:
        async with open_session(sandbox) as vidgo:
            task = await vidgo.submit(FOX)
            file = (await vidgo.get_task(task.task_id)).files[0]
        target = tmp_path / "fox.mp4"
        command = [sys.executable, "-c", PROGRAM, sandbox.url, file.file_url, str(target)]
        run = await anyio.run_process(command)
    assert target.stat().st_size == 4 * SIZE
    assert int(run.stdout.split()[-1]) < MEMORY
    target.unlink()
