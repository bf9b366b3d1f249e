"""Ctrl-C and closed pipes: the program names what it bought."""

import asyncio
import io
import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.files import names_in
from tests.support.program import FOX, Ended, Program, Start, ended, finished, of, started
from vidgo_async import GrokImagine, VidgoSession
from vidgo_async.sandbox import Fault, Sandbox, answer, hang_after


def interrupting(then: Fault, *, on_request: int = 1, times: int = 1) -> Fault:
    """Press Ctrl-C when the so many-th request comes in, then do something to each."""
    seen = 0

    async def strike(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal seen
        seen += 1
        if seen == on_request:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
        return await then(request, handler)

    return strike


async def real_thing(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request)


# --- Ctrl-C ----------------------------------------------------------------------------------


async def test_interrupt_names_exactly_what_is_running() -> None:
    """Ctrl-C ends with status 130, no traceback, and a shell command to go on."""
    task_ids = ["it's/1", "$HOME 2", "3"]
    async with Sandbox() as sandbox:
        for task_id in task_ids:
            data = {"task_id": task_id, "status": "not_started"}
            sandbox.inject(answer(200, {"code": 200, "data": data}))
        async with started("generate", "a", "b", "c", environment=of(sandbox)) as process:
            assert process.stdout
            out = ""
            while out.count("not_started\n") < 3:
                out += (await process.stdout.receive()).decode()
            process.send_signal(signal.SIGINT)
            run = await ended(process, out)
    assert run.status == 130
    assert run.unsaved[0] == "wait"
    assert sorted(run.unsaved[1:]) == sorted(task_ids)
    assert run.err.count("\n") == 2


def test_interrupt_leaves_out_what_ended(start: Start, tmp_path: Path) -> None:
    """What was saved or failed before Ctrl-C is not named; the table shows it."""
    program = start(seconds=(5, 5))
    saved, failed, running = program.buy("a", "b", "c")
    data = {"status": "failed", "error_message": "no GPU"}
    program.sandbox.inject(answer(200, {"code": 200, "data": data}), "status", task_id=failed)
    going_on = answer(200, {"code": 200, "data": {"status": "running"}})
    press = interrupting(going_on, on_request=9)
    program.sandbox.inject(press, "status", times=None, task_id=running)
    run = program("wait", saved, failed, running)
    assert (run.status, run.unsaved) == (130, ["wait", running])
    assert [row.split()[-1] for row in run.out.splitlines()[-2:]] == [failed, saved]
    assert [file.stem for file in tmp_path.iterdir()] == [saved]


@pytest.mark.parametrize("times", [1, 2, 5])
def test_interrupted_submit_is_awaited(program: Program, times: int) -> None:
    """A submit in flight at Ctrl-C is awaited and named, however often it is pressed."""

    async def slowly(request: web.Request, handler: Handler) -> web.StreamResponse:
        await asyncio.sleep(2)
        return await handler(request)

    program.sandbox.inject(interrupting(slowly, times=times))
    run = program("generate", FOX)
    [task_id] = program.sandbox.tasks
    assert (run.status, run.unsaved) == (130, ["wait", task_id])


def test_interrupted_submit_without_a_response_is_printed(program: Program) -> None:
    """A submit without a response is printed as perhaps paid for, with its prompt."""
    program.sandbox.inject(interrupting(hang_after))
    run = program("generate", FOX)
    assert (run.status, run.unsaved) == (130, [])
    assert f"perhaps paid for, see your account: '{FOX}'" in run.err


def test_interrupted_sandbox_promises_nothing(program: Program) -> None:
    """The tasks of `--sandbox` end with it, and Ctrl-C says so."""
    program.runner.get_loop().call_later(0.3, signal.raise_signal, signal.SIGINT)
    run = program("generate", FOX, "--sandbox")
    assert run.status == 130
    assert run.err.startswith("gone with the sandbox")
    assert run.unsaved[0] == "wait"
    assert run.out == f"{run.unsaved[1]}: not_started\n"
    assert program.sandbox.sold == 0


def test_ignored_interrupt_stays_ignored(program: Program) -> None:
    """A program started with SIGINT ignored, as in the background, goes on."""
    program.sandbox.inject(interrupting(real_thing))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run = program("generate", FOX)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    assert run.status == 0


# --- Closed output ----------------------------------------------------------------------


@contextmanager
def closed_pipe() -> Generator[int]:
    """Give the write end of a pipe that has no reader."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        yield writer
    finally:
        os.close(writer)


async def test_closed_pipe_costs_no_video(tmp_path: Path) -> None:
    """When its output is closed, the program saves all the same, and quietly."""
    async with Sandbox(seconds=(0.0, 0.0)) as sandbox:
        async with VidgoSession(sandbox.api_key, base_url=sandbox.url) as vidgo:
            task = await vidgo.submit(GrokImagine(prompt=FOX))
        with closed_pipe() as output:
            arguments = ("wait", task.task_id)
            async with started(*arguments, environment=of(sandbox), stdout=output) as process:
                run = await ended(process)
    assert run == Ended(0, "", "")
    assert names_in(tmp_path) == [f"{task.task_id}.mp4"]


def test_unprintable_id_costs_no_video(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Characters that the terminal's encoding lacks are escaped."""
    program = start(seconds=(5, 5))
    screen = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(screen, encoding="ascii"))
    [task_id] = program.buy(FOX)
    url = f"{program.sandbox.url}/files/{task_id}.mp4"
    program.sandbox.inject(finished(url), call="status", skip=1, times=None)
    assert program("wait", task_id).status == 0
    program.sandbox.inject(finished(url), call="status", task_id="füchse")
    assert program("wait", "füchse").status == 0
    assert rb"f\xfcchse: finished" in screen.getvalue()
    assert (tmp_path / "f%C3%BCchse.mp4").exists()
