"""The program: its name, its commands and its help.

Results go to standard output: a line for each change of state, and a table at the end. Errors, and
how to go on after them, go to standard error: Ctrl-C ends the reader of a pipe too. Exit status: 0
all good, 1 some failed, 2 bad usage, 128 + the signal's number after a signal.
"""

from cyclopts import App

from vidgo_async._core.version import __version__

COMMANDS: dict[str, str] = {
    "generate": "Generate a video for each prompt, and save them.",
    "resume": "Go on with all that is in a journal.",
    "journal": "Print what is in a journal; settle what is unknown.",
    "wait": "Wait for tasks that are under way, and save their files.",
    "download": "Save the files of tasks that finished.",
    "upload": "Upload pictures, and print their URLs; they are kept for 72 hours.",
    "balance": "Print the credits that are left.",
}

QUEUE: dict[str, str] = {
    "install": "Make the tables, if they are not there.",
    "add": "Add a request for each prompt to a batch.",
    "status": "Print how far all batches are, or the entries of one.",
    "retry": "Send what failed or was refused.",
    "adopt": "Go on with a task that was found for an unknown entry.",
    "forget": "Send an unknown entry: no task was found for it.",
}

app: App = App(
    name="vidgo-async",
    help="Generate videos with the Vidgo API. The key comes from VIDGO_API_KEY.",
    version=__version__,
)
for _name, _help in COMMANDS.items():
    # By name, so that the command and all that it needs are imported only when it runs.
    app.command(f"vidgo_async.cli.commands:{_name}", help=_help)
app.command("vidgo_async.cli.queues:work", help="Run requests of a queue until a signal comes.")
queue: App = App(name="queue", help="What is in a queue on PostgreSQL.")
app.command(queue)
for _name, _help in QUEUE.items():
    queue.command(f"vidgo_async.cli.queues:{_name}", help=_help)


def main() -> None:
    """Run the program; exit with its status."""
    app()
