"""The program: its name, its commands and its help.

Results go to standard output, everything else to standard error. Exit status: 2 bad usage; 128 + the
signal's number after a signal; 3 paid for and not collected; 1 some failed; 0 all good.
"""

import os
import sys
import traceback

from cyclopts import App

from vidgo_async._core.version import __version__
from vidgo_async.cli.config import configs

COMMANDS: dict[str, tuple[str, str, str]] = {
    "generate": (
        "generate",
        "Generate a video for each prompt, or each row of a file, and save them.",
        "generate --from prompts.csv --set aspect_ratio=16:9 --out videos --open",
    ),
    "resume": (
        "generate",
        "Go on with all that is in a journal.",
        "resume videos/.vidgo-journal --out videos",
    ),
    "journal": (
        "journals",
        "Print what is in a journal; settle what is unknown.",
        "journal videos/.vidgo-journal --state unknown",
    ),
    "page": ("pages", "Write the page to look through a folder of videos.", "page videos --open"),
    "status": ("tasks", "Print how far tasks are.", "status task-unified-1757165031-uyujaw3d"),
    "wait": (
        "tasks",
        "Wait for tasks that are under way, and save their files.",
        "wait task-unified-1757165031-uyujaw3d --out videos",
    ),
    "download": (
        "tasks",
        "Save the files of tasks that finished.",
        "download task-unified-1757165031-uyujaw3d --out videos",
    ),
    "upload": (
        "account",
        "Upload pictures, and print their URLs; they are kept for 72 hours.",
        "upload fox.png lake.jpg",
    ),
    "balance": ("account", "Print the credits that are left.", "balance --json"),
    "doctor": ("doctor", "Check what a run needs, and say what to do.", "doctor videos"),
    "sandbox": ("sandboxes", "Serve a sandbox on a port, for tests.", "sandbox --port 8765"),
    "work": (
        "queues",
        "Run requests of a queue until a signal comes.",
        "work postgresql://me@db/vidgo --out videos",
    ),
}
"""Of each: its file, what it does, and an example."""

QUEUE: dict[str, tuple[str, str]] = {
    "install": ("Make the tables, if they are not there.", "URL"),
    "add": ("Add a request for each prompt to a batch.", 'URL foxes "a fox in snow"'),
    "status": ("Print how far all batches are, or the entries of one.", "URL foxes"),
    "retry": ("Send what failed or was refused.", "URL foxes"),
    "adopt": ("Go on with a task that was found for an unknown entry.", "URL foxes 7 TASK_ID"),
    "forget": ("Send an unknown entry: no task was found for it.", "URL foxes 7"),
}

app: App = App(
    name="vidgo-async",
    help="Generate videos with the Vidgo API. The key comes from VIDGO_API_KEY.",
    help_epilogue="An option may also come from the environment, as VIDGO_MAX_IN_FLIGHT, and from "
    "vidgo.toml here or in your folder of settings, in a table for its command.",
    version=__version__,
    config=configs([*COMMANDS, "queue"]),
)
# By name, so that a command and all that it needs are imported only when it runs.
for _name, (_file, _help, _example) in COMMANDS.items():
    _epilogue = f"Example: vidgo-async {_example}"
    app.command(f"vidgo_async.cli.commands.{_file}:{_name}", help=_help, help_epilogue=_epilogue)
queue: App = App(name="queue", help="What is in a queue on PostgreSQL.")
app.command(queue)
for _name, (_help, _example) in QUEUE.items():
    _epilogue = f"Example: vidgo-async queue {_name} {_example}"
    queue.command(f"vidgo_async.cli.commands.queues:{_name}", help=_help, help_epilogue=_epilogue)
app.register_install_completion_command()  # pyright: ignore[reportUnknownMemberType] - its kwargs


def main() -> None:
    """Run the program; exit with its status."""
    try:
        app()
    except BrokenPipeError:  # of `--help | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except Exception as error:  # noqa: BLE001 - a bug, which is told in one sentence
        if "--debug" in sys.argv:
            traceback.print_exc()
        sys.exit(f"vidgo-async: unexpected {type(error).__name__}: {error} (--debug shows where)")
