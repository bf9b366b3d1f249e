"""Money: the question before a large run, `--max-credits`, `--dry-run`, and what was spent."""

import json
import os
import pty
from pathlib import Path

import anyio
import pytest

from tests.support.files import names_in
from tests.support.program import FOX, PROGRAM, Program, Start, of
from vidgo_async.sandbox import Sandbox, answer, changed, reset_after

PROMPTS = [f"fox {number}" for number in range(25)]


def test_without_a_terminal_a_large_run_needs_yes(program: Program) -> None:
    """From 20 requests on it exits with 2, and names the count, the balance and `--yes`."""
    run = program("generate", *PROMPTS)
    assert (run.status, program.sandbox.received["submit"]) == (2, 0)
    assert "25 tasks" in run.err
    assert "1000 credits" in run.err
    assert "--yes" in run.err
    assert program("generate", *PROMPTS[:19]).status == 0
    assert program("generate", *PROMPTS, "--yes").status == 0
    assert program.sandbox.sold == 19 + 25


def test_only_what_would_be_bought_counts(program: Program) -> None:
    """What a journal knows needs no question; 20 new ones do."""
    command = ("generate", *PROMPTS, "--out", "films")
    assert program(*command, "--yes").status == 0
    again = program(*command)
    assert (again.status, program.sandbox.sold) == (0, 25)
    assert program(*command, "another").status == 0
    more = [f"hare {number}" for number in range(20)]
    assert program(*command, *more).status == 2
    assert "20 tasks" in program(*command, *more).err
    assert "25 tasks" not in program(*command, *more).err
    assert program(*command, "--again").status == 2
    assert program.sandbox.sold == 26


def test_a_sandbox_asks_nothing(program: Program) -> None:
    """What costs nothing needs no question."""
    assert program("generate", *PROMPTS, "--sandbox").status == 0


def test_a_balance_that_is_not_told(program: Program) -> None:
    """An unknown balance is said to be unknown, before and after, and stops no run."""
    program.sandbox.inject(answer(500), "balance", times=None)
    assert "the balance is unknown" in program("generate", *PROMPTS).err
    program.sandbox.inject(changed(credits_amount=None), "status", times=None)
    run = program("generate", FOX)
    assert run.status == 0
    assert "credits spent: unknown; balance: unknown to unknown" in run.err


async def test_the_question_on_a_terminal(tmp_path: Path) -> None:
    """On a terminal it asks: anything but yes buys nothing, and yes buys."""
    async with Sandbox(seconds=(0.0, 0.0)) as sandbox:
        for reply, status, sold in (("\n", 2, 0), ("n\n", 2, 0), ("yes\n", 0, 20)):
            shown, ended_with = await _on_a_terminal(sandbox, reply)
            assert "this buys 20 tasks; the balance is 1000 credits. Go on? [y/N]" in shown
            assert (ended_with, sandbox.sold) == (status, sold)
    assert len(names_in(tmp_path)) == 20


async def _on_a_terminal(sandbox: Sandbox, reply: str) -> tuple[str, int]:
    main, terminal = pty.openpty()
    env = {**os.environ, **of(sandbox), "VIDGO_POLL_INTERVAL": "0.05", "COLUMNS": "200"}
    command = [*PROGRAM, "generate", *PROMPTS[:20], "--progress", "none"]
    shown = ""
    async with await anyio.open_process(
        command, env=env, stdin=terminal, stdout=terminal, stderr=terminal
    ) as process:
        os.close(terminal)
        while "[y/N]" not in shown:
            await anyio.wait_readable(main)
            shown += os.read(main, 1000).decode()
        os.write(main, reply.encode())
        while process.returncode is None:
            with anyio.move_on_after(0.1):
                await anyio.wait_readable(main)
                try:
                    shown += os.read(main, 1000).decode()
                except OSError:  # its end
                    break
        status = await process.wait()
    os.close(main)
    return shown, status


# --- A limit ---------------------------------------------------------------------------------


@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize("limit", [3, 4, 30])
def test_max_credits_is_not_exceeded(start: Start, limit: int, tells: bool) -> None:
    """Buying stops before the limit: the price is learned from the first task, or the balance."""
    program = start(seconds=(60, 240))
    if not tells:
        program.sandbox.inject(changed(credits_amount=None), "status", times=None)
    run = program("generate", *PROMPTS, "--yes", "--max-credits", str(limit))
    assert program.sandbox.sold == min(limit // 1.5, 25)
    assert run.status == 1
    assert f"--max-credits {limit} is reached" in run.err
    assert f"{25 - program.sandbox.sold} not sent: nothing was bought" in run.err
    assert f"credits spent: {program.sandbox.sold * 1.5:g}; " in run.err


def test_credits_that_come_back_are_spent_again(start: Start) -> None:
    """Failed tasks cost nothing: the limit is used up by those that finish."""
    program = start(failure_rate=0.5, seconds=(60, 60))
    run = program("generate", *PROMPTS, "--yes", "--max-credits", "6", "--max-in-flight", "2")
    finished = sum(not task.failure for task in program.sandbox.tasks.values())
    assert finished == 4
    assert program.sandbox.sold > 4
    assert "credits spent: 6; balance: 1000 to 994" in run.err


def test_a_limit_that_is_enough(program: Program) -> None:
    """With room for all, all is bought."""
    run = program("generate", *PROMPTS[:5], "--max-credits", "100")
    assert (run.status, program.sandbox.sold) == (0, 5)


def test_a_limit_below_the_first_price(program: Program) -> None:
    """The first task tells its price; it is the only one."""
    run = program("generate", *PROMPTS[:5], "--max-credits", "1")
    assert (run.status, program.sandbox.sold) == (1, 1)


def test_what_is_in_flight_is_told(program: Program) -> None:
    """Where the limit holds requests back, it says what those in flight may cost."""
    run = program("generate", *PROMPTS[:5], "--max-credits", "5")
    assert "--max-credits 5: 0 spent, and 3 in flight may cost 4.5 more" in run.err


def test_unknown_outcomes_count_as_spent(program: Program) -> None:
    """What may have been paid for is counted by the balance."""
    program.sandbox.inject(reset_after, "submit", times=2, skip=1)
    run = program("generate", *PROMPTS[:8], "--max-credits", "6", "--max-in-flight", "1")
    assert (run.status, program.sandbox.sold) == (3, 4)


def test_no_start_where_no_cost_can_be_known(program: Program) -> None:
    """Without a balance a limit cannot be kept: nothing is bought."""
    program.sandbox.inject(answer(500), "balance", times=None)
    run = program("generate", FOX, "--max-credits", "5")
    assert (run.status, program.sandbox.received["submit"]) == (1, 0)
    assert "--max-credits needs the balance" in run.err


@pytest.mark.parametrize("limit", ["0", "-1", "nan", "much"])
def test_wrong_limits(program: Program, limit: str) -> None:
    """A limit is a number above 0."""
    run = program("generate", FOX, f"--max-credits={limit}")
    assert (run.status, program.sandbox.received) == (2, {})
    assert "--max-credits" in run.err


def test_a_cost_that_cannot_be_found_out_stops_the_buying(program: Program) -> None:
    """Where neither the server nor the balance tells what a task cost, no more are bought."""
    program.sandbox.inject(changed(credits_amount=None), "status", times=None)
    program.sandbox.inject(answer(500), "balance", times=None, skip=2)
    run = program("generate", *PROMPTS[:5], "--max-credits", "100")
    assert (run.status, program.sandbox.sold) == (1, 1)
    assert "credits spent: unknown; balance: 1000 to unknown" in run.err


def test_a_journal_that_cannot_be_read(program: Program) -> None:
    """Nothing is asked and nothing bought where the count cannot be told."""
    Path("notes").write_text("no journal " * 1000)
    run = program("generate", *PROMPTS, "--journal", "notes")
    assert (run.status, program.sandbox.received) == (1, {})
    assert "notes" in run.err


# --- A dry run -------------------------------------------------------------------------------


def test_a_dry_run_counts_and_buys_nothing(program: Program, tmp_path: Path) -> None:
    """It says how many of what, and what an earlier run bought; it makes no file."""
    Path("rows.csv").write_text("prompt,model\nfox,\nhare,\nlake,kling-3.0/pro\n")
    command = ("generate", "--from", "rows.csv", "--out", "films")
    run = program(*command, "--dry-run")
    assert (run.status, run.out) == (0, "3 requests: 2 of grok-imagine, 1 of kling-3.0/pro\n")
    assert not (tmp_path / "films").exists()
    assert program.sandbox.received == {}
    assert program(*command).status == 0
    run = program(*command, "--dry-run", "--json")
    assert json.loads(run.out) == {
        "version": 1,
        "requests": 3,
        "models": {"grok-imagine": 2, "kling-3.0/pro": 1},
        "new": 0,
    }
    assert "3 bought before, 0 to buy" in program(*command, "--dry-run").out
