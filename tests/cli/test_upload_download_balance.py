"""`vidgo-async upload`, `download` and `balance`."""

import asyncio
from pathlib import Path

import pytest

from tests.support.program import FOX, Program, Start
from tests.support.uploads import picture


def test_upload_prints_urls(program: Program, tmp_path: Path) -> None:
    """`upload` prints a URL for each picture, and an error for what is none: status 1."""
    good, bad = picture(tmp_path), picture(tmp_path, "bad.png", b"no picture")
    run = program("upload", str(good))
    assert (run.status, run.err) == (0, "")
    assert run.out.startswith(f"{good}: http")
    run = program("upload", str(bad), str(tmp_path / "none.png"))
    assert (run.status, run.out) == (1, "")
    assert "bad.png" in run.err
    assert "none.png" in run.err
    assert len(program.sandbox.uploads) == 1


def test_download_saves_what_finished(start: Start, tmp_path: Path) -> None:
    """`download` saves the files of finished tasks, and names the others: status 1."""
    program = start(seconds=(5, 5))
    [task_id] = program.buy(FOX)
    run = program("download", task_id, "no-such-task")
    assert run.status == 1
    assert "not finished yet: not_started" in run.err
    assert "no-such-task: 404" in run.err
    program.runner.run(asyncio.sleep(10))
    run = program("download", task_id, "--out", "films")
    assert (run.status, run.err) == (0, "")
    assert [file.stem for file in (tmp_path / "films").iterdir()] == [task_id]


def test_balance_prints_the_credits(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """`balance` prints the account and its credits in one line."""
    program = start(credits=12.5)
    run = program("balance")
    assert (run.status, run.out, run.err) == (0, "you@example.com: 12.5 credits\n", "")
    monkeypatch.setenv("VIDGO_API_KEY", "another key")
    run = program("balance")
    assert (run.status, run.out) == (1, "")
    assert run.err.startswith("balance: 401")
