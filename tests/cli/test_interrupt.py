"""Signals: the program names what it bought and did not save. Closed pipes cost nothing."""

import asyncio
import io
import os
import shutil
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.files import names_in
from tests.support.program import (
    FOX,
    Program,
    Start,
    ended,
    finished,
    leave,
    of,
    started,
    until,
)
from vidgo_async import GrokImagine, VidgoSession
from vidgo_async.sandbox import Fault, Sandbox, answer, hang_after

SIGNALS = pytest.mark.parametrize(
    ("number", "status"),
    [
        (getattr(signal, name), status)
        for name, status in {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}.items()
        if hasattr(signal, name)
    ],
)
NO_HANGUP = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")


def interrupting(then: Fault, *numbers: int, on_request: int = 1) -> Fault:
    """Send signals, Ctrl-C by default, when the so many-th request comes in; then handle each."""
    seen = 0

    async def fault(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal seen
        seen += 1
        if seen == on_request:
            for number in numbers or (signal.SIGINT,):
                signal.raise_signal(number)
        return await then(request, handler)

    return fault


async def unchanged(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request)


async def slowly(request: web.Request, handler: Handler) -> web.StreamResponse:
    await asyncio.sleep(2)
    return await handler(request)


# --- Signals ---------------------------------------------------------------------------------


@SIGNALS
async def test_signal_names_exactly_what_is_running(number: signal.Signals, status: int) -> None:
    """A signal ends with its own status, no traceback, and a shell command to go on."""
    task_ids = ["it's/1", "$HOME 2", "3"]
    async with Sandbox() as sandbox:
        for task_id in task_ids:
            data = {"task_id": task_id, "status": "not_started"}
            sandbox.inject(answer(200, {"code": 200, "data": data}))
        async with started("generate", "a", "b", "c", environment=of(sandbox)) as process:
            await until(lambda: sandbox.received["status"] >= 3)
            said = await leave(process, number)
            run = await ended(process, err=said)
    assert run.status == status
    assert run.unsaved[0] == "wait"
    assert sorted(run.unsaved[1:]) == sorted(task_ids)


def test_interrupt_leaves_out_what_ended(start: Start, tmp_path: Path) -> None:
    """What was saved or failed before Ctrl-C is not named."""
    program = start(seconds=(5, 5))
    saved, failed, running = program.buy("a", "b", "c")
    data = {"status": "failed", "error_message": "no GPU"}
    program.sandbox.inject(answer(200, {"code": 200, "data": data}), "status", task_id=failed)
    going_on = answer(200, {"code": 200, "data": {"status": "running"}})
    signal_ninth = interrupting(going_on, on_request=9)
    program.sandbox.inject(signal_ninth, "status", times=None, task_id=running)
    run = program("wait", saved, failed, running)
    assert (run.status, run.unsaved) == (130, ["wait", running])
    assert run.out == f"{saved}.mp4\n"
    assert f"{failed}: " in run.err
    assert [file.stem for file in tmp_path.iterdir()] == [saved]


@pytest.mark.parametrize("times", [1, 2, 5])
@SIGNALS
def test_interrupted_submit_is_awaited(
    program: Program, number: int, status: int, times: int
) -> None:
    """A submit in flight at a signal is awaited and named, however often the signal comes."""
    program.sandbox.inject(interrupting(slowly, *[number] * times))
    run = program("generate", FOX)
    [task_id] = program.sandbox.tasks
    is_awaited = number == signal.SIGINT and times == 1
    assert (run.status, run.unsaved) == (status, [] if is_awaited else ["wait", task_id])
    assert run.out.count(".mp4") == is_awaited


@NO_HANGUP
def test_first_signal_decides_the_status(program: Program) -> None:
    """Of several different signals the first gives the status, and none cuts off the report."""
    numbers = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
    program.sandbox.inject(interrupting(slowly, *numbers))
    run = program("generate", FOX)
    [task_id] = program.sandbox.tasks
    assert (run.status, run.unsaved) == (129, ["wait", task_id])


@SIGNALS
async def test_signal_during_a_submit_names_the_task(number: signal.Signals, status: int) -> None:
    """A task whose submit is answered after the signal is named by the real program too."""
    submitting = anyio.Event()

    async def held(request: web.Request, handler: Handler) -> web.StreamResponse:
        submitting.set()
        await asyncio.sleep(0.5)  # the signal arrives meanwhile, or after it: both name the task
        return await handler(request)

    async with Sandbox(seconds=(60.0, 60.0)) as sandbox:
        sandbox.inject(held)
        async with started("generate", FOX, environment=of(sandbox)) as process:
            await submitting.wait()
            said = await leave(process, number)
            run = await ended(process, err=said)
        assert (run.status, run.unsaved) == (status, ["wait", *sandbox.tasks])
        assert sandbox.sold == 1


def test_interrupted_submit_without_a_response_is_printed(program: Program) -> None:
    """A submit without a response is printed as perhaps paid for, with its prompt."""
    program.sandbox.inject(interrupting(hang_after))
    run = program("generate", FOX)
    assert (run.status, run.unsaved) == (130, [])
    assert f"perhaps paid for, see your account: '{FOX}'" in run.err


def test_interrupted_sandbox_promises_nothing(program: Program) -> None:
    """The tasks of `--sandbox` end with it, and Ctrl-C says so."""
    program.runner.get_loop().call_later(0.3, signal.raise_signal, signal.SIGTERM)
    run = program("generate", FOX, "--sandbox")
    assert (run.status, run.out) == (143, "")
    assert "gone with the sandbox" in run.err
    assert run.unsaved[0] == "wait"
    assert program.sandbox.sold == 0


@SIGNALS
def test_ignored_signal_stays_ignored(program: Program, number: int, status: int) -> None:
    """A program started with a signal ignored, as in the background, goes on."""
    program.sandbox.inject(interrupting(unchanged, number))
    before = signal.signal(number, signal.SIG_IGN)
    try:
        run = program("generate", FOX)
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)
    assert run.status == 0


@pytest.mark.skipif(shutil.which("nohup") is None, reason="needs nohup")
async def test_nohup_keeps_the_program_running(tmp_path: Path) -> None:
    """Under `nohup` the end of the terminal ends nothing: the video is saved."""
    polled, hung_up = anyio.Event(), anyio.Event()

    async def held(request: web.Request, handler: Handler) -> web.StreamResponse:
        polled.set()
        await hung_up.wait()
        return await handler(request)

    async with Sandbox(seconds=(0.0, 0.0)) as sandbox:
        async with VidgoSession(sandbox.api_key, base_url=sandbox.url) as vidgo:
            task = await vidgo.submit(GrokImagine(prompt=FOX))
        sandbox.inject(held, call="status")
        arguments = ("wait", task.task_id)
        async with started(*arguments, environment=of(sandbox), wrapper=["nohup"]) as process:
            await polled.wait()
            process.send_signal(signal.SIGHUP)
            hung_up.set()
            run = await ended(process)
    assert (run.status, run.unsaved) == (0, [])
    assert names_in(tmp_path) == [f"{task.task_id}.mp4"]


@NO_HANGUP
async def test_hangup_without_a_terminal_names_the_task() -> None:
    """When its terminal is gone, the program still names the task where standard error goes on."""
    terminal, screen = os.openpty()
    async with Sandbox(seconds=(60.0, 60.0)) as sandbox:
        async with started("generate", FOX, environment=of(sandbox), stdout=screen) as process:
            os.close(screen)
            await until(lambda: sandbox.sold)
            os.close(terminal)
            process.send_signal(signal.SIGHUP)
            run = await ended(process)
        assert (run.status, run.unsaved) == (129, ["wait", *sandbox.tasks])


@NO_HANGUP
def test_system_without_hangups(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no SIGHUP, as on Windows, the other signals work."""
    monkeypatch.delattr(signal, "SIGHUP")
    program.sandbox.inject(interrupting(slowly, signal.SIGTERM))
    run = program("generate", FOX)
    assert (run.status, run.unsaved) == (143, ["wait", *program.sandbox.tasks])


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
    assert (run.status, run.out) == (0, "")
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
    assert b"f%C3%BCchse.mp4" in screen.getvalue()
    assert (tmp_path / "f%C3%BCchse.mp4").exists()
