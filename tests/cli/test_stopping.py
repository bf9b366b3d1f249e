"""Ctrl-C once, twice, and other signals, at any moment: no purchase is left unnamed."""

import functools
import os
import random
import re
import shlex
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import Process

from tests.support.files import names_in
from tests.support.program import (
    FOX,
    Ended,
    Program,
    Start,
    ended,
    leave,
    of,
    read_until,
    started,
    until,
)
from vidgo_async.sandbox import Sandbox, answer

PROMPTS = [f"fox {number}" for number in range(40)]
QUICK = {"VIDGO_POLL_INTERVAL": "0.05"}
LEAVING = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@asynccontextmanager
async def generating(sandbox: Sandbox, *options: str) -> AsyncGenerator[Process]:
    command = ("generate", *PROMPTS, "--yes", "--max-in-flight", "4", *options)
    async with started(*command, environment={**of(sandbox), **QUICK}) as process:
        yield process


def saved_ids(folder: Path) -> set[str]:
    """Return the tasks whose files are there, by the log that lies beside them."""
    log = folder / "outcomes.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    return {
        found[1] for line in lines if (found := re.search('"task_id": "([^"]+)".*"saved"', line))
    } | {found[1] for line in lines if (found := re.search('"saved", "task_id": "([^"]+)"', line))}


async def test_one_interrupt_stops_the_buying_and_saves_the_rest(tmp_path: Path) -> None:
    """After one Ctrl-C nothing more is bought, and what was bought is saved: status 130."""
    async with (
        Sandbox(seconds=(0.5, 1.0)) as sandbox,
        generating(sandbox, "--out", "films") as process,
    ):
        await until(lambda: sandbox.sold >= 6)
        process.send_signal(signal.SIGINT)
        said = await read_until(process.stderr, "is paid for\n")
        sold = sandbox.sold
        run = await ended(process, err=said)
    assert (run.status, run.unsaved) == (130, [])
    assert sold <= sandbox.sold <= sold + 1  # one may have been on its way
    assert len(names_in(tmp_path / "films")) == sandbox.sold
    assert re.search(r"stopping: nothing more is bought; \d videos? under way are awaited", said)
    assert "Ctrl-C again leaves them, and names what is paid for" in said
    assert f"{40 - sandbox.sold} not sent: nothing was bought for them" in run.err
    assert (tmp_path / "films/index.html").exists()


@pytest.mark.parametrize("name", LEAVING)
async def test_leaving_names_both_ways_to_go_on(name: str, tmp_path: Path) -> None:
    """What is paid for is named with `wait` and with the same command, and both work."""
    async with Sandbox(seconds=(1.0, 1.0)) as sandbox:
        async with generating(sandbox, "--out", "my films") as process:
            await until(lambda: len(saved_ids(tmp_path / "my films")) in range(1, sandbox.sold - 2))
            said = await leave(process, getattr(signal, name))
            run = await ended(process, err=said)
        assert run.status == 128 + getattr(signal, name)
        assert run.unsaved[:3] == ["wait", "--out", "my films"]
        assert len(run.unsaved[3:]) >= 2
        [same] = re.findall("  vidgo-async (.*)\nwhich is the same command, and", run.err)
        assert (tmp_path / "my films/index.html").exists()
        sold = sandbox.sold
        async with started(*run.unsaved, environment={**of(sandbox), **QUICK}) as process:
            assert (await ended(process)).status == 0
        assert sandbox.sold == sold
        assert {f"{each}.mp4" for each in run.unsaved[3:]} <= set(names_in(tmp_path / "my films"))
        async with started(*shlex.split(same), environment={**of(sandbox), **QUICK}) as process:
            assert (await ended(process)).status == 0
        assert sandbox.sold == 40


@pytest.mark.parametrize("has_journal", [True, False])
@pytest.mark.parametrize("name", LEAVING)
async def test_a_signal_at_any_moment(name: str, has_journal: bool, tmp_path: Path) -> None:
    """Whenever it comes, each task that was sold is saved or named."""
    random_moments = random.Random(f"{name} {has_journal}")
    for attempt in range(5):
        folder = f"films-{attempt}"
        options = ["--out", folder, *([] if has_journal else ["--no-journal"])]
        async with Sandbox(seconds=(0.05, 0.4), seed=attempt) as sandbox:
            async with generating(sandbox, *options) as process:
                moment = random_moments.randrange(1, 40)
                await until(functools.partial(_has_come_to, sandbox, moment))
                run = await _end(process, getattr(signal, name), twice=attempt % 2 == 0)
            assert run.status == 128 + getattr(signal, name)
            named = set(run.unsaved[3:])
            assert set(sandbox.tasks) - saved_ids(tmp_path / folder) <= named, attempt
            assert "perhaps paid for" not in run.err


def _has_come_to(sandbox: Sandbox, moment: int) -> bool:
    return len(sandbox.calls) >= moment


async def _end(process: Process, number: signal.Signals, *, twice: bool) -> Ended:
    process.send_signal(number)
    if number == signal.SIGINT and twice:
        with anyio.move_on_after(0.05):
            await anyio.sleep_forever()
        if process.returncode is None:
            process.send_signal(number)
    return await ended(process)


def test_an_interrupt_before_anything_is_bought(program: Program) -> None:
    """Ctrl-C while the balance is asked for leaves at once."""

    async def interrupt(request: object, handler: object) -> object:
        signal.raise_signal(signal.SIGINT)
        await anyio.sleep(5)
        return await handler(request)  # type: ignore[operator]  # of aiohttp

    program.sandbox.inject(interrupt, "balance")  # type: ignore[arg-type]  # as above
    run = program("generate", FOX)
    assert (run.status, run.unsaved, program.sandbox.received["submit"]) == (130, [], 0)


# --- Exit statuses -----------------------------------------------------------------------------


def test_paid_and_not_collected_comes_before_failed(start: Start) -> None:
    """Status 3 where something is paid for and not saved, whatever else failed; else 1; else 0."""
    program = start()
    refused = answer(400, {"code": 400, "message": "no"})
    program.sandbox.inject(refused, "submit")
    assert program("generate", FOX, "a hare").status == 1
    program.sandbox.inject(refused, "submit")
    assert program("generate", FOX, "a hare", "--timeout", "2").status == 3
    assert program("generate", FOX).status == 0


async def test_a_terminal_that_is_gone_stops_nothing_under_nohup(tmp_path: Path) -> None:
    """A hangup that is ignored, as under nohup, ends nothing."""
    async with Sandbox(seconds=(0.5, 0.5)) as sandbox:
        command = ("generate", FOX, "--out", "films")
        async with started(
            *command, environment={**of(sandbox), **QUICK}, wrapper=["nohup"]
        ) as process:
            await until(lambda: sandbox.sold)
            os.kill(process.pid, signal.SIGHUP)
            run = await ended(process)
    assert (run.status, len(names_in(tmp_path / "films"))) == (0, 1)
