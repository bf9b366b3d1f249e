"""Options that several commands have, in groups; each group becomes one value."""

from pathlib import Path
from typing import Annotated

import attrs
from cyclopts import Group, Parameter

from vidgo_async.progress.modes import Mode
from vidgo_async.requests import GrokImagine

Out = Annotated[Path, Parameter(help="The folder to save into; made if missing.")]
MaxInFlight = Annotated[int, Parameter(help="Videos in the making at once.")]
Timeout = Annotated[float, Parameter(help="Seconds to wait for each task.")]
Model = Annotated[str, Parameter(help="A model id.")]
Settings = Annotated[
    list[str] | None,
    Parameter(name="--set", help="A parameter of the model, key=value.", negative=()),
]
Image = Annotated[str | None, Parameter(help="A picture to begin with: a path or a URL.")]
OUTPUT = Group("Output and connection", sort_key=6)
InSandbox = Annotated[
    bool,
    Parameter(
        group=OUTPUT,
        help="Use a server inside this program: no key, no cost, no questions, and no journal.",
        negative=(),
        show_default=False,
    ),
]
NewKey = Annotated[
    bool,
    Parameter(
        help="Go on with a journal though the key was changed.", negative=(), show_default=False
    ),
]
Open = Annotated[
    bool, Parameter(help="Open the page in a browser.", negative=(), show_default=False)
]
TaskId = Annotated[str, Parameter(help="The ids of tasks that were bought before.")]


@Parameter(name="*", group=Group("What to generate", sort_key=1))
@attrs.frozen(kw_only=True)
class Source:
    """What to generate, beside prompts."""

    file: Annotated[
        str | None,
        Parameter(
            name="--from",
            allow_leading_hyphen=True,
            help="A file of prompts, one a line; a CSV or JSON lines with a column for each "
            "parameter, `model`, `name` and `image`; - is standard input.",
        ),
    ] = None
    model: Model = GrokImagine.model
    settings: Settings = None
    image: Image = None


@Parameter(name="*", group=Group("Where files go", sort_key=2))
@attrs.frozen(kw_only=True)
class Target:
    """Where files go."""

    out: Annotated[
        Path | None, Parameter(help="The folder to save into, with a journal; made if missing.")
    ] = None
    name: Annotated[
        str | None,
        Parameter(
            help="How files are named, by default {index:04}-{slug}: index (from 1), slug, prompt, "
            "model, task_id, name, and each column of --from."
        ),
    ] = None
    journal: Annotated[
        Path | None, Parameter(help="A file for the journal: the same command buys nothing twice.")
    ] = None
    no_journal: Annotated[bool, Parameter(help="Write none.", negative=(), show_default=False)] = (
        False
    )
    again: Annotated[
        bool, Parameter(help="Buy anew what was bought before.", negative=(), show_default=False)
    ] = False
    new_key: NewKey = False
    open: Open = False


@Parameter(name="*", group=Group("What may be spent", sort_key=3))
@attrs.frozen(kw_only=True)
class Money:
    """What may be spent."""

    yes: Annotated[
        bool,
        Parameter(
            name=["--yes", "-y"], help="Buy without asking.", negative=(), show_default=False
        ),
    ] = False
    max_credits: Annotated[
        float | None, Parameter(help="Stop buying before this run has spent more credits.")
    ] = None
    dry_run: Annotated[
        bool,
        Parameter(
            help="Check everything, count, and buy nothing.", negative=(), show_default=False
        ),
    ] = False


@Parameter(name="*", group=Group("How much at a time", sort_key=4))
@attrs.frozen(kw_only=True)
class Pace:
    """How much at a time, how long, and how it is shown."""

    max_in_flight: MaxInFlight = 16
    timeout: Timeout = 900.0
    retries: Annotated[int, Parameter(help="How often a failed task is bought anew.")] = 0
    progress: Annotated[Mode, Parameter(help="How progress is shown.")] = Mode.AUTO


@Parameter(name="*", group=Group("Callbacks", sort_key=5))
@attrs.frozen(kw_only=True)
class Callbacks:
    """How ends are told, for those with a tunnel."""

    webhook_url: Annotated[
        str | None, Parameter(help="A public URL that leads to --webhook-port, as of a tunnel.")
    ] = None
    webhook_port: Annotated[
        int | None, Parameter(help="A port to be told of ends on, instead of polling.")
    ] = None


@Parameter(name="*", group=OUTPUT)
@attrs.frozen(kw_only=True)
class Common:
    """What every command has."""

    json: Annotated[
        bool,
        Parameter(
            help="Print JSON: an object a line, with a version.", negative=(), show_default=False
        ),
    ] = False
    quiet: Annotated[
        bool,
        Parameter(
            name=["--quiet", "-q"],
            help="Print results and errors only.",
            negative=(),
            show_default=False,
        ),
    ] = False
    verbose: Annotated[
        bool,
        Parameter(
            name=["--verbose", "-v"],
            help="Print the library's log.",
            negative=(),
            show_default=False,
        ),
    ] = False
    debug: Annotated[
        bool,
        Parameter(
            help="Print the traceback of an unexpected error.", negative=(), show_default=False
        ),
    ] = False
    proxy: Annotated[
        str | None, Parameter(help="An http(s) proxy, in place of the environment's.")
    ] = None
