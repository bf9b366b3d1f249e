"""The command line: what it saves, what it says, and how it ends.

Most tests run the program in this process, on a loop whose clock jumps, beside its server; some
run it as users do. Either way the server is the sandbox, and nothing of the program is replaced.
"""

import asyncio
import io
import json
import os
import re
import shlex
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import attrs
import av
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from clock import new_loop
from tests.support.uploads import picture
from vidgo_async import GrokImagine, Task, VidgoSession, __version__
from vidgo_async.cli.program import app
from vidgo_async.sandbox import Fault, Sandbox, answer, hang_after, reset_after

FOX = "a fox in snow"
PROGRAM = [sys.executable, "-m", "vidgo_async"]


@attrs.frozen
class Ended:
    """What a run of the program left behind."""

    status: int
    out: str
    err: str

    @property
    def owed(self) -> list[str]:
        """The arguments of the command that it says to go on with; empty if it says none."""
        commands = re.findall("^  vidgo-async (wait .*)$", self.err, re.MULTILINE)
        return shlex.split(commands[0]) if commands else []


@attrs.frozen
class Program:
    """Runs the program in this process, on the loop of its server."""

    sandbox: Sandbox
    runner: asyncio.Runner
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Ended:
        """Run it to its end."""
        with pytest.raises(SystemExit) as left:
            app(arguments)
        captured = self.capsys.readouterr()
        assert "Traceback" not in captured.err
        assert isinstance(left.value.code, int)
        return Ended(left.value.code, captured.out, captured.err)

    def buy(self, *prompts: str) -> list[str]:
        """Buy tasks as another program would, and return their ids."""

        async def submit() -> list[Task]:
            async with VidgoSession() as vidgo:
                return await vidgo.submit_many([GrokImagine(prompt=each) for each in prompts])

        return [task.task_id for task in self.runner.run(submit())]


Start = Callable[..., Program]


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C work as in a terminal, also where the tests themselves run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep files out of the repository, and a user's own key and address out of the tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIDGO_API_KEY", raising=False)
    monkeypatch.delenv("VIDGO_BASE_URL", raising=False)


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Generator[Start]:
    """Give a function that starts a server, and returns the program set up for it."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        sandboxes = list[Sandbox]()

        def start_one(**settings: Any) -> Program:
            sandbox = Sandbox(**{"seconds": (120.0, 120.0), **settings})
            runner.run(sandbox.__aenter__())
            sandboxes.append(sandbox)
            monkeypatch.setenv("VIDGO_BASE_URL", sandbox.url)
            monkeypatch.setenv("VIDGO_API_KEY", sandbox.api_key)
            monkeypatch.setattr(anyio, "run", lambda job: runner.run(job()))
            return Program(sandbox, runner, capsys)

        yield start_one
        for sandbox in sandboxes:
            runner.run(sandbox.__aexit__(None, None, None))


@pytest.fixture
def program(start: Start) -> Program:
    """Give the program, set up for a server whose videos take two minutes."""
    return start()


@asynccontextmanager
async def started(
    *arguments: str, environment: dict[str, str] | None = None, stdout: Any = -1
) -> AsyncGenerator[Process]:
    """Run the program as a process of its own."""
    env = {**os.environ, **(environment or {})}
    async with await anyio.open_process([*PROGRAM, *arguments], env=env, stdout=stdout) as process:
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()


async def ended(process: Process, out: str = "") -> Ended:
    """Wait for a process, and read what it has left to say; `out` is what was read before."""
    err = ""
    if process.stdout is not None:
        out += "".join([chunk async for chunk in TextReceiveStream(process.stdout)])
    if process.stderr is not None:
        err = "".join([chunk async for chunk in TextReceiveStream(process.stderr)])
    status = await process.wait()
    assert "Traceback" not in err
    return Ended(status, out, err)


def of(sandbox: Sandbox) -> dict[str, str]:
    """Return the environment for a sandbox."""
    return {"VIDGO_BASE_URL": sandbox.url, "VIDGO_API_KEY": sandbox.api_key}


def finished(*urls: str, kind: str = "video") -> Fault:
    """Let a task be finished, with these files."""
    files = [{"file_url": url, "file_type": kind} for url in urls]
    return answer(200, {"code": 200, "data": {"status": "finished", "files": files}})


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


def names_in(folder: Path) -> list[str]:
    """Return the names of the files in a folder."""
    return sorted(path.name for path in folder.iterdir())


def play(path: Path) -> int:
    """Decode a video to its end and return how many pictures it has."""
    with av.open(path) as video:
        return sum(1 for _ in video.decode(video=0))


# --- Generate ---------------------------------------------------------------------------------


async def test_sandbox_makes_playable_files(tmp_path: Path) -> None:
    """`--sandbox` needs no key: it ends with one MP4 file per prompt, also for equal prompts."""
    async with started("generate", FOX, FOX, "--sandbox", "--out", "new/films") as process:
        run = await ended(process)
    assert (run.status, run.err) == (0, "")
    files = sorted((tmp_path / "new/films").iterdir())
    assert [file.suffix for file in files] == [".mp4", ".mp4"]
    assert play(files[0]) > 24


def test_tells_each_state_and_ends_with_a_table(program: Program) -> None:
    """Each change of state is a line, in order; then come a head and a row for each file."""
    run = program("generate", FOX, "a hare", "--set", "aspect_ratio=3:2")
    lines = run.out.splitlines()
    assert (run.status, run.err, len(lines)) == (0, "", 9)
    assert re.fullmatch("file +seconds  task id", lines[6])
    for task_id, task in program.sandbox.tasks.items():
        states = [line for line in lines if line.startswith(task_id + ":")]
        assert states == [f"{task_id}: {name}" for name in ("not_started", "running", "finished")]
        [row] = [line for line in lines if line.endswith("  " + task_id)]
        assert re.fullmatch(rf"{task_id}\.mp4 +\d+\.\d  {task_id}", row)
        assert Path(row.split()[0]).read_bytes()[4:8] == b"ftyp"
        assert task.input["aspect_ratio"] == "3:2"


def test_settings_arrive_as_json(program: Program) -> None:
    """A value of `--set` that is JSON arrives as that, and anything else as text."""
    given = {
        "a": "1",
        "b": "text",
        "c": '{"x":1}',
        "d": "true",
        "e": "k=v",
        "f": "null",
        "g": "16:9",
        "h": '"2"',
    }
    settings = [word for key, value in given.items() for word in ("--set", f"{key}={value}")]
    assert program("generate", FOX, "--model", "other/model", *settings).status == 0
    [task] = program.sandbox.tasks.values()
    assert task.model == "other/model"
    assert json.dumps(task.input) == json.dumps(
        {
            "prompt": FOX,
            "a": 1,
            "b": "text",
            "c": {"x": 1},
            "d": True,
            "e": "k=v",
            "f": None,
            "g": "16:9",
            "h": "2",
        }
    )


def test_known_model_is_the_default(program: Program) -> None:
    """Without `--model` it is grok-imagine, and only what was set is sent."""
    assert program("generate", FOX, "--set", "duration=10").status == 0
    [task] = program.sandbox.tasks.values()
    assert (task.model, task.input) == ("grok-imagine", {"prompt": FOX, "duration": 10})


def test_prompts_may_begin_with_a_dash(program: Program) -> None:
    """After `--` everything is a prompt."""
    assert program("generate", "--", "-fox", "--sandbox").status == 0
    assert {task.input["prompt"] for task in program.sandbox.tasks.values()} == {
        "-fox",
        "--sandbox",
    }


def test_max_in_flight_bounds_what_is_bought(program: Program) -> None:
    """With `--max-in-flight 1` a task is bought when the one before has ended."""
    assert program("generate", "1", "2", "3", "--max-in-flight", "1").status == 0
    sold = [task.sold_at for task in program.sandbox.tasks.values()]
    assert sold[1] >= sold[0] + 5
    assert sold[2] >= sold[1] + 5


def test_failed_tasks_are_told_and_not_owed(start: Start, tmp_path: Path) -> None:
    """A task that failed gives status 1, the server's reason, and no file; there is no debt."""
    program = start(failure_rate=1.0)
    run = program("generate", FOX)
    [task] = program.sandbox.tasks.values()
    assert run.status == 1
    assert run.err == f"{task.task_id}: task {task.task_id} failed: {task.failure}\n"
    assert re.fullmatch(rf"failed +\d+\.\d  {task.task_id}", run.out.splitlines()[-1])
    assert list(tmp_path.iterdir()) == []


def test_refused_prompt_is_named_and_stops_no_other(start: Start, tmp_path: Path) -> None:
    """What was not bought is told with its prompt, and the rest is made: status 1."""
    program = start(credits=1.5)
    run = program("generate", "one\nfox", "one\nfox")
    assert run.status == 1
    assert re.fullmatch(r"'one\\nfox': 402 insufficient_credits_error: .*\n", run.err)
    assert re.search(r"^failed +-  -$", run.out, re.MULTILINE)
    assert len(list(tmp_path.glob("*.mp4"))) == 1


def test_unknown_submit_is_told_with_its_prompt(program: Program) -> None:
    """A submit of unknown outcome is not sent again; its prompt is told as perhaps paid for."""
    program.sandbox.inject(reset_after)
    run = program("generate", FOX)
    assert (run.status, run.owed, program.sandbox.sold) == (1, [], 1)
    assert f"'{FOX}': a task may exist" in run.err
    assert run.err.endswith(f"perhaps paid for, see your account: '{FOX}'\n")


def test_timeout_names_the_command_to_go_on(program: Program, tmp_path: Path) -> None:
    """What did not end in time goes on: the command that is told saves it where it belongs."""
    run = program("generate", FOX, "--timeout", "2", "--out", "my films")
    [task_id] = program.sandbox.tasks
    assert run.status == 1
    assert f"{task_id}: task {task_id} did not end within 2 s" in run.err
    assert run.owed == ["wait", "--out", "my films", task_id]
    assert program(*run.owed).status == 0
    assert program.sandbox.sold == 1
    assert play(tmp_path / "my films" / f"{task_id}.mp4") > 24


def test_failed_download_is_owed(program: Program, tmp_path: Path) -> None:
    """A video that could not be saved gives status 1, and stays on the list."""
    program.sandbox.inject(answer(500), call="file", times=None)
    run = program("generate", FOX)
    [task_id] = program.sandbox.tasks
    assert (run.status, run.owed) == (1, ["wait", task_id])
    assert f"{task_id}: " in run.err
    assert "answered 500" in run.err
    assert list(tmp_path.iterdir()) == []


# --- Wait -------------------------------------------------------------------------------------


def test_wait_saves_what_was_bought_before(program: Program, tmp_path: Path) -> None:
    """`wait` saves the files of tasks that another program bought; an id given twice is one."""
    task_ids = program.buy(FOX, "a hare")
    run = program("wait", *task_ids, task_ids[0], "--out", "films")
    assert (run.status, run.err, run.owed) == (0, "", [])
    assert len(run.out.splitlines()) == 9
    assert {file.stem for file in (tmp_path / "films").iterdir()} == set(task_ids)


def test_wait_for_unknown_id_fails(program: Program, tmp_path: Path) -> None:
    """An id that the server does not know gives status 1 and is not named again."""
    [task_id] = program.buy(FOX)
    run = program("wait", "no-such-task", task_id)
    assert (run.status, run.owed) == (1, [])
    assert re.fullmatch("no-such-task: 404.*Task not found\n", run.err)
    assert [file.stem for file in tmp_path.iterdir()] == [task_id]


def test_wait_tells_of_a_failed_task(start: Start) -> None:
    """A task that failed gives status 1 and its reason."""
    program = start(failure_rate=1.0)
    [task_id] = program.buy(FOX)
    run = program("wait", task_id)
    assert (run.status, run.owed) == (1, [])
    assert f"{task_id}: task {task_id} failed: " in run.err


def test_wait_in_vain_says_how_to_go_on(program: Program) -> None:
    """Out of time `wait` names the tasks again, as words for a shell and never as options."""
    odd = ["-n", "it's/1 ; x"]
    program.sandbox.inject(answer(502), call="status", times=None)
    run = program("wait", "--timeout", "2", "--", *odd)
    assert (run.status, run.owed) == (1, ["wait", "--", *odd])


def test_finished_without_a_file_is_a_failure(program: Program) -> None:
    """A task that finished and has nothing to save gives status 1 and says so."""
    program.sandbox.inject(finished(), call="status")
    run = program("wait", "empty")
    assert (run.status, run.err) == (1, "")
    assert re.search("^finished without a file +[0-9.]+  empty$", run.out, re.MULTILINE)


def test_one_lost_file_does_not_cost_the_others(program: Program, tmp_path: Path) -> None:
    """Of several files all that can be fetched are saved; the task stays on the list."""
    [task_id] = program.buy(FOX)
    assert program("wait", task_id, "--out", "a").status == 0
    url = f"{program.sandbox.url}/files/{task_id}.mp4"
    program.sandbox.inject(finished("ftp://a.example/x.mp4", url), call="status", task_id="some/id")
    run = program("wait", "some/id", "--out", "b")
    assert (run.status, run.owed) == (1, ["wait", "--out", "b", "some/id"])
    assert "not an http(s) address" in run.err
    assert [file.name for file in (tmp_path / "b").iterdir()] == ["some%2Fid+2.mp4"]


# --- Ctrl-C -----------------------------------------------------------------------------------


async def test_interrupt_names_exactly_what_is_running() -> None:
    """Ctrl-C ends with status 130, no traceback, and the command that goes on, in shell words."""
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
    assert run.owed[0] == "wait"
    assert sorted(run.owed[1:]) == sorted(task_ids)
    assert run.err.count("\n") == 2


def test_interrupt_leaves_out_what_ended(start: Start, tmp_path: Path) -> None:
    """What was saved or failed before Ctrl-C is not named; the table shows it."""
    program = start(seconds=(5, 5))
    saved, failed, running = program.buy("a", "b", "c")
    data = {"status": "failed", "error_message": "no luck"}
    program.sandbox.inject(answer(200, {"code": 200, "data": data}), "status", task_id=failed)
    going_on = answer(200, {"code": 200, "data": {"status": "running"}})
    press = interrupting(going_on, on_request=9)
    program.sandbox.inject(press, "status", times=None, task_id=running)
    run = program("wait", saved, failed, running)
    assert (run.status, run.owed) == (130, ["wait", running])
    assert [row.split()[-1] for row in run.out.splitlines()[-2:]] == [failed, saved]
    assert [file.stem for file in tmp_path.iterdir()] == [saved]


@pytest.mark.parametrize("times", [1, 2, 5])
def test_interrupted_submit_is_settled(program: Program, times: int) -> None:
    """A purchase that Ctrl-C finds on its way is waited for and named, however often pressed."""

    async def slowly(request: web.Request, handler: Handler) -> web.StreamResponse:
        await asyncio.sleep(2)
        return await handler(request)

    program.sandbox.inject(interrupting(slowly, times=times))
    run = program("generate", FOX)
    [task_id] = program.sandbox.tasks
    assert (run.status, run.owed) == (130, ["wait", task_id])


def test_interrupted_submit_without_an_answer_is_told(program: Program) -> None:
    """A purchase whose answer never comes is told as perhaps paid for, with its prompt."""
    program.sandbox.inject(interrupting(hang_after))
    run = program("generate", FOX)
    assert (run.status, run.owed) == (130, [])
    assert f"perhaps paid for, see your account: '{FOX}'" in run.err


def test_interrupted_sandbox_promises_nothing(program: Program) -> None:
    """The tasks of `--sandbox` die with it, and that is what Ctrl-C says."""
    program.runner.get_loop().call_later(0.3, signal.raise_signal, signal.SIGINT)
    run = program("generate", FOX, "--sandbox")
    assert run.status == 130
    assert run.err.startswith("gone with the sandbox")
    assert run.owed[0] == "wait"
    assert run.out == f"{run.owed[1]}: not_started\n"
    assert program.sandbox.sold == 0


def test_ignored_interrupt_stays_ignored(program: Program) -> None:
    """Where the program was started with Ctrl-C ignored, as in the background, it goes on."""
    program.sandbox.inject(interrupting(real_thing))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run = program("generate", FOX)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    assert run.status == 0


# --- Nobody listens ---------------------------------------------------------------------------


@contextmanager
def closed_pipe() -> Generator[int]:
    """Give the end of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        yield writer
    finally:
        os.close(writer)


async def test_closed_pipe_costs_no_video(tmp_path: Path) -> None:
    """When the reader of its output has left, the program saves all the same, and quietly."""
    async with Sandbox(seconds=(0.0, 0.0)) as sandbox:
        async with VidgoSession(sandbox.api_key, base_url=sandbox.url) as vidgo:
            task = await vidgo.submit(GrokImagine(prompt=FOX))
        with closed_pipe() as nobody:
            arguments = ("wait", task.task_id)
            async with started(*arguments, environment=of(sandbox), stdout=nobody) as process:
                run = await ended(process)
    assert run == Ended(0, "", "")
    assert names_in(tmp_path) == [f"{task.task_id}.mp4"]


def test_unprintable_id_costs_no_video(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What the terminal's encoding lacks is told by number."""
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


# --- Bad usage --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "about"),
    [
        ("generate", "PROMPTS"),
        ("generate ''", "prompt"),
        ("generate -fox", "-fox"),
        ("generate fox --modell m", "--model"),
        ("generate fox --model ''", "model is empty"),
        ("generate fox --set", "--set"),
        ("generate fox --set a", "--set takes key=value, not 'a'"),
        ("generate fox --set =a", "--set takes key=value, not '=a'"),
        ("generate fox --set prompt=hare", "--set cannot change the prompts"),
        ("generate fox --model m --set prompt=hare", "--set cannot change the prompts"),
        ("generate fox --set colour=red", "no parameter 'colour'; it has image_urls,"),
        ("generate fox --set duration=7", "duration must be one of 6, 10, not 7"),
        ("generate fox --set mode=1", "mode must be one of 'fun'"),
        ("generate fox --set image_urls=https://a.example/b.png", "must be a list of URLs"),
        ("generate fox --model m --set a=NaN", "input.a is nan, and JSON has no such number"),
        ("generate fox --timeout -1", "timeout must be 0 or more"),
        ("generate fox --timeout nan", "timeout must be 0 or more"),
        ("generate fox --timeout soon", "--timeout"),
        ("generate fox --max-in-flight 0", "--max-in-flight must be at least 1, not 0"),
        ("generate fox --max-in-flight many", "--max-in-flight"),
        ("generate fox --out file", "cannot save into file: File exists"),
        ("generate fox --out file/folder", "cannot save into file/folder: Not a directory"),
        ("wait", "TASK_IDS"),
        ("wait ' '", "task id is empty"),
        ("wait x --timeout -1", "timeout must be 0 or more"),
        ("wait x --out file", "cannot save into file: File exists"),
        ("wait x --sandbox", "--sandbox"),
        ("make fox", "make"),
    ],
)
def test_bad_usage_buys_nothing(program: Program, tmp_path: Path, command: str, about: str) -> None:
    """Wrong arguments give status 2 and a message about them, before anything is sent."""
    (tmp_path / "file").touch()
    run = program(*shlex.split(command))
    assert (run.status, run.out) == (2, "")
    assert about in " ".join(run.err.replace("│", " ").split())
    assert sum(program.sandbox.received.values()) == 0


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder closed to root")
def test_folder_that_takes_no_files_is_told_before_buying(program: Program) -> None:
    """A folder that cannot be written to is bad usage, not a video paid for and lost."""
    run = program("generate", FOX, "--out", "/proc/self")
    assert run.status == 2
    assert run.err.startswith("vidgo-async: cannot save into /proc/self: ")
    assert program.sandbox.sold == 0


@pytest.mark.parametrize("command", ["generate", "wait"])
async def test_missing_key_is_one_plain_sentence(command: str, tmp_path: Path) -> None:
    """Without a key the program says so in one line, and leaves no folder behind."""
    async with started(command, "fox", "--out", "films") as process:
        run = await ended(process)
    assert (run.status, run.out) == (2, "")
    assert re.fullmatch(r"vidgo-async: no API key: set VIDGO_API_KEY .*\n", run.err)
    assert names_in(tmp_path) == []


# --- The program itself -----------------------------------------------------------------------


@pytest.mark.parametrize("command", [PROGRAM, [str(Path(sys.executable).with_name("vidgo-async"))]])
async def test_tells_its_version(command: list[str]) -> None:
    """Module and console script are the same program."""
    run = await anyio.run_process([*command, "--version"])
    assert run.stdout.decode().split() == [__version__]


def test_help_names_all_commands(program: Program) -> None:
    """Without arguments the program explains itself."""
    run = program()
    assert (run.status, run.err) == (0, "")
    assert all(name in run.out for name in ("generate", "wait", "download", "upload", "balance"))


@pytest.mark.parametrize(
    ("missing", "last_line"),
    [
        ("cyclopts", "the program needs an extra: pip install 'vidgo_async[cli]'"),
        ("tempfile", "ModuleNotFoundError: import of tempfile halted; None in sys.modules"),
    ],
)
async def test_missing_extra_is_one_plain_sentence(missing: str, last_line: str) -> None:
    """Without cyclopts the program says what to install; any other gap is a bug, and shown."""
    code = (
        "import sys, vidgo_async.__main__ as program\n"
        f"sys.modules[{missing!r}] = None\n"
        "program.main()"
    )
    run = await anyio.run_process([sys.executable, "-c", code], check=False)
    lines = run.stderr.decode().splitlines()
    assert (run.returncode, run.stdout, lines[-1]) == (1, b"", last_line)
    assert (len(lines) == 1) is (missing == "cyclopts")


# --- Pictures, earlier tasks and the account ----------------------------------------------------


@pytest.mark.parametrize("is_path", [True, False])
def test_a_picture_to_begin_with(program: Program, tmp_path: Path, is_path: bool) -> None:
    """`--image` takes a path, which is uploaded once, or a URL, which is sent as it is."""
    image = str(picture(tmp_path)) if is_path else "https://a.example/fox.png"
    run = program("generate", FOX, "a hare", "--image", image)
    assert (run.status, run.err) == (0, "")
    assert len(program.sandbox.uploads) == is_path
    for task in program.sandbox.tasks.values():
        [url] = task.input["image_urls"]
        assert url.startswith("http")
        assert (url == image) is not is_path


@pytest.mark.parametrize(
    ("options", "about"),
    [
        (["--image", "nothing.png"], "no such file"),
        (
            ["--image", "https://a.example/x.png", "--model", "veo3.1"],
            "--image is for grok-imagine",
        ),
    ],
)
def test_no_picture_no_purchase(program: Program, options: list[str], about: str) -> None:
    """A picture that is not there, or not for that model, is bad usage: nothing is bought."""
    run = program("generate", FOX, *options)
    assert run.status == 2
    assert about in run.err
    assert program.sandbox.received["submit"] == 0


def test_upload_prints_urls(program: Program, tmp_path: Path) -> None:
    """`upload` prints a URL for each picture, and tells of what is none: status 1."""
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
    """`download` saves the files of finished tasks, and tells of those that are not: status 1."""
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


def test_balance_tells_the_credits(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """`balance` prints the account and what is left on it, in one line."""
    program = start(credits=12.5)
    run = program("balance")
    assert (run.status, run.out, run.err) == (0, "you@example.com: 12.5 credits\n", "")
    monkeypatch.setenv("VIDGO_API_KEY", "another key")
    run = program("balance")
    assert (run.status, run.out) == (1, "")
    assert run.err.startswith("balance: 401")
