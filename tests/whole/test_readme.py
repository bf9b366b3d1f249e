"""README is true: each Python block runs, and the tables name what exists."""

import os
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import anyio
import pytest

import vidgo_async
import vidgo_async.sandbox
from tests.support.readme import ROOT, as_module, python_blocks
from tests.support.servers import free_port
from tests.support.uploads import PNG, picture
from vidgo_async.sandbox import Sandbox, reset_before

README = (ROOT / "README.md").read_text()
SUITE = [
    block
    for block in python_blocks("vidgo_async/sandbox/README.md")
    if "pytest_plugins" in block or "vidgo_sandbox:" in block
]
"""A conftest and the tests of an app."""
QUEUES = [block for block in python_blocks() if "BatchQueue" in block]
"""What needs a database: `tests/queue/test_recipes.py` runs it."""
BLOCKS = [
    block
    for name in ("README.md", "vidgo_async/journal/README.md")
    for block in python_blocks(name)
    if block not in QUEUES
]


@pytest.mark.virtual_time
@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
async def test_each_python_block_runs(
    block: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Scripts, fragments and tests of README run against the sandbox, as they stand."""
    mains: list[Any] = []
    monkeypatch.setattr(anyio, "run", mains.append)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("builtins.input", lambda _: "")
    (tmp_path / "prompts.txt").write_text("a fox\n\na lake\n")
    (tmp_path / "pictures").mkdir()
    for name in ("fox.png", "lake.png"):
        picture(tmp_path / "pictures", name, PNG + name.encode())
    port = str(free_port())
    monkeypatch.setenv("WEBHOOK_URL", f"http://127.0.0.1:{port}")
    block = block.replace("8080", port)
    names: dict[str, Any] = {}
    exec(compile(as_module(block), "README.md", "exec"), names)  # noqa: S102 - our own text
    coroutine = next(
        value for name, value in names.items() if name == "main" or name.startswith("test_")
    )
    async with Sandbox() as sandbox:
        monkeypatch.setenv("VIDGO_BASE_URL", sandbox.url)
        monkeypatch.setenv("VIDGO_API_KEY", sandbox.api_key)
        if "Journal(" in block:
            await leave_an_unknown_one(sandbox)
        await coroutine()
        assert sandbox.sold > 0 or "sandbox.sold" in block
        if "WebhookReceiver" in block:
            assert {attempt.status for attempt in sandbox.callback_attempts} == {200}
    if "download_to" in block:
        assert len(list((tmp_path / "videos").glob("*.mp4"))) == sandbox.sold
    if "fox.mp4" in block:
        assert mains == [coroutine]
        assert (tmp_path / "fox.mp4").stat().st_size > 1000


async def leave_an_unknown_one(sandbox: Sandbox) -> None:
    """Begin the journal of README, with a request that was not sold and nobody knows it."""
    sandbox.inject(reset_before)
    async with vidgo_async.VidgoSession() as vidgo:
        fox = vidgo_async.GrokImagine(prompt="a fox")
        async for outcome in vidgo.generate_many([fox], journal="foxes.vidgo"):
            assert isinstance(outcome.error, vidgo_async.SubmissionUnknownError)


async def test_the_suite_of_an_app_runs_in_seconds(tmp_path: Path) -> None:
    """The conftest and the tests of "Testing your app" run as they stand, without a wait."""
    conftest, tests = SUITE
    (tmp_path / "conftest.py").write_text(conftest)
    (tmp_path / "test_app.py").write_text(tests)
    command = [sys.executable, "-m", "pytest", "-W", "error", "-p", "no:cacheprovider", "."]
    before = os.times()
    ended = await anyio.run_process(command, cwd=tmp_path, check=False)
    after = os.times()
    passed = re.search(r"(\d+) passed in ([\d.]+)s", ended.stdout.decode())
    assert passed, ended.stdout.decode()
    assert int(passed[1]) == tests.count("def test_")
    assert after.children_user - before.children_user < 10  # about one
    assert float(passed[2]) < 20  # on a busy machine too, and one late poll takes 25


def test_every_error_is_in_the_table() -> None:
    """The table of errors names every error class that a user can meet, and no other."""
    table = README.split("## Errors, and what to do")[1].split("## ")[0]
    named = set(re.findall(r"`(\w+Error\w*)`", table))
    public = {name for name in vidgo_async.__all__ if "Error" in name}
    builtin = {"ValueError", "TypeError", "TimeoutError", "RuntimeError"}
    builtin |= {"FileNotFoundError", "IsADirectoryError"}
    assert named - builtin == public - {"APIError"}


def test_floors_are_those_that_are_checked() -> None:
    """The table of floors names the wings that import-linter holds apart, in the same order."""
    notes = README.split("## Design notes")[1]
    told = [set(re.findall(r"`(\w+)`", row)) for row in re.findall(r"\| \d \| (.*?) \|", notes)]
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    floors = config["tool"]["importlinter"]["contracts"][0]["layers"]
    assert told == [set(floor.split(" | ")) - {"sandbox"} for floor in floors]


def test_every_setting_is_in_the_table() -> None:
    """The table of settings names every argument of `VidgoSession`."""
    table = README.split("| setting of `VidgoSession`")[1].split("## Batches")[0]
    code = vidgo_async.VidgoSession.__init__.__code__
    settings = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    assert {name for name in settings if f"`{name}`" not in table} == set()


def test_every_fault_is_in_the_table() -> None:
    """The sandbox's README names every fault, setting and helper that the package exports."""
    readme = (ROOT / "vidgo_async/sandbox/README.md").read_text()
    values = {"REALISTIC", "Call", "Shape", "SoldTask", "Upload"}  # types, and a pair of seconds
    exported = set(vidgo_async.sandbox.__all__) - values
    assert {name for name in exported if not re.search(rf"\b{name}\b", readme)} == set()


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "benchmarks/README.md",
        "vidgo_async/_api/README.md",
        "vidgo_async/cli/README.md",
        "vidgo_async/journal/README.md",
        "vidgo_async/queue/README.md",
        "vidgo_async/sandbox/README.md",
        "vidgo_async/webhooks/README.md",
    ],
)
def test_every_link_leads_somewhere(name: str) -> None:
    """Each relative link and picture of a README is a file of the project."""
    file = ROOT / name
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", file.read_text())
    paths = [link for link in links if not link.startswith("https:")]
    assert [path for path in paths if not (file.parent / path).exists()] == []
