"""The program itself: bad usage, help, version, and a missing extra."""

import re
import shlex
import sys
from pathlib import Path

import anyio
import pytest

from tests.support.files import names_in
from tests.support.program import FOX, PROGRAM, Program, ended, started
from vidgo_async import __version__
from vidgo_async.cli.program import COMMANDS, QUEUE

# --- Bad usage -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "about"),
    [
        ("generate", "nothing to generate: give prompts, or a file with --from"),
        ("generate fox --from prompts.txt", "give prompts or --from, not both"),
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
        ("generate fox --set image_urls=7", "must be a list of URLs"),
        ("generate fox --model m --set a=NaN", "input.a is nan, and JSON has no such number"),
        ("generate fox --timeout -1", "timeout must be 0 or more"),
        ("generate fox --timeout nan", "timeout must be 0 or more"),
        ("generate fox --timeout soon", "--timeout"),
        ("generate fox --max-in-flight 0", "--max-in-flight must be at least 1, not 0"),
        ("generate fox --max-in-flight many", "--max-in-flight"),
        ("generate fox --out file", "cannot save into file: File exists"),
        ("generate fox --out file/folder", "cannot save into file/folder: Not a directory"),
        ("wait", "no task ids were given"),
        ("status", "no task ids were given"),
        ("download", "no task ids were given"),
        ("upload", "no pictures were given"),
        ("queue add postgresql://nowhere foxes", "no prompts were given"),
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
def test_unwritable_folder_is_bad_usage(program: Program) -> None:
    """A folder that cannot be written to is an error before anything is bought."""
    run = program("generate", FOX, "--out", "/proc/self")
    assert run.status == 2
    assert run.err.startswith("vidgo-async: cannot save into /proc/self: ")
    assert program.sandbox.sold == 0


@pytest.mark.parametrize("command", ["generate", "wait"])
async def test_missing_key_is_one_plain_sentence(command: str, tmp_path: Path) -> None:
    """Without a key the program says so in one line, and creates no folder."""
    async with started(command, "fox", "--out", "films") as process:
        run = await ended(process)
    assert (run.status, run.out) == (2, "")
    assert re.fullmatch(r"vidgo-async: no API key: set VIDGO_API_KEY .*\n", run.err)
    assert names_in(tmp_path) == []


# --- The program itself ----------------------------------------------------------------------


@pytest.mark.parametrize("command", [PROGRAM, [str(Path(sys.executable).with_name("vidgo-async"))]])
async def test_prints_its_version(command: list[str]) -> None:
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
        (
            "vidgo_async.cli.program",
            "ModuleNotFoundError: import of vidgo_async.cli.program halted; None in sys.modules",
        ),
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


async def modules_of_help(*commands: str) -> set[str]:
    """Return what is imported to print the help of commands."""
    code = (
        "import sys\n"
        "from vidgo_async.cli.program import app\n"
        f"for command in {commands!r}:\n"
        "    app([*command.split(), '--help'], result_action='return_value')\n"
        "print(*sys.modules)"
    )
    run = await anyio.run_process([sys.executable, "-c", code])
    return set(run.stdout.decode().splitlines()[-1].split())


async def test_help_loads_no_command() -> None:
    """The program's own help loads cyclopts, and nothing of the library."""
    loaded = await modules_of_help("")
    ours = {name for name in loaded if name.startswith("vidgo_async")}
    assert ours == {
        "vidgo_async",
        "vidgo_async.cli",
        "vidgo_async.cli.config",
        "vidgo_async.cli.program",
        "vidgo_async._core",
        "vidgo_async._core.version",
    }


async def test_help_of_a_command_loads_no_connection() -> None:
    """The help of each command loads neither aiohttp, nor a database, nor the sandbox."""
    loaded = await modules_of_help(*COMMANDS, *(f"queue {name}" for name in QUEUE))
    assert "vidgo_async.cli.commands.queues" in loaded
    assert not loaded & {"aiohttp", "psycopg", "vidgo_async.sandbox.server"}


async def test_an_interrupt_during_the_start_is_quiet() -> None:
    """Ctrl-C while the program is being loaded prints no traceback."""
    code = (
        "import signal, sys, vidgo_async.__main__ as program\n"
        "class Finder:\n"
        "    def find_spec(self, *_): signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "program.main()"
    )
    run = await anyio.run_process([sys.executable, "-c", code], check=False)
    assert (run.returncode, run.stdout, run.stderr) == (130, b"", b"")
