"""The command line: a thin layer of words over `VidgoSession`.

Each change of state is a line, and a table closes the run; both go to standard output. What
went wrong and how to go on go to standard error: Ctrl-C ends the reader of a pipe too. Exit
status: 0 all good, 1 some failed, 2 bad usage, 130 interrupted.
"""

import contextlib
import functools
import json
import logging
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, TypeVar

import anyio
import attrs
from cyclopts import App, Parameter

from vidgo_async import __version__
from vidgo_async._core.errors import VidgoError
from vidgo_async._core.validators import check_count
from vidgo_async._polling.policies import FixedPolling
from vidgo_async._session.arguments import as_task, check_timeout
from vidgo_async._session.session import VidgoSession
from vidgo_async.cli.report import Report
from vidgo_async.requests import GenerationRequest, GrokImagine, TypedRequest

BAD_USAGE = 2
INTERRUPTED = 130
"""The shell's exit status for Ctrl-C (128 + SIGINT)."""

# What the library would warn of is in the report; without a handler it would be told twice.
logging.getLogger("vidgo_async").addHandler(logging.NullHandler())

app: App = App(
    name="vidgo-async",
    help="Generate videos with the Vidgo API. The key comes from VIDGO_API_KEY.",
    version=__version__,
)

Out = Annotated[Path, Parameter(help="The folder to save into; made if missing.")]
Timeout = Annotated[float, Parameter(help="Seconds to wait for each task.")]
_Thing = TypeVar("_Thing")
Job = Callable[[VidgoSession], Awaitable[None]]


def main() -> None:
    """Run the program; leave with its exit status."""
    app()


@app.command
def generate(
    prompts: Annotated[
        list[str],
        Parameter(help="One video each, all at the same time; after -- they may begin with -."),
    ],
    /,
    *,
    model: Annotated[str, Parameter(help="A model id.")] = GrokImagine.model,
    settings: Annotated[
        list[str] | None,
        Parameter(name="--set", help="A parameter of the model, key=value.", negative=()),
    ] = None,
    image: Annotated[
        str | None, Parameter(help="A picture to begin with: a path or a URL.")
    ] = None,
    out: Out = Path(),
    max_in_flight: Annotated[int, Parameter(help="Videos in the making at once.")] = 16,
    timeout: Timeout = 900.0,
    sandbox: Annotated[
        bool, Parameter(help="Use a server inside this program: no key, no cost.", negative=())
    ] = False,
) -> int:
    """Generate a video for each prompt, and save them."""
    with _bad_usage():
        parameters = _parse(settings or []) | _pictures(model, image)
        requests = [_request(model, prompt, parameters) for prompt in prompts]
        check_count("--max-in-flight", max_in_flight)
        check_timeout(timeout)
        session = None if sandbox else VidgoSession()
        report = Report(_made(out), in_sandbox=sandbox)

    async def job(vidgo: VidgoSession) -> None:
        batch = vidgo.generate_many(
            requests, max_in_flight=max_in_flight, timeout=timeout, on_update=report.state
        )
        async with batch, anyio.create_task_group() as savings:
            async for outcome in batch:
                savings.start_soon(report.outcome, vidgo, outcome)

    return _run(job, report, session)


@app.command
def wait(
    task_ids: Annotated[list[str], Parameter(help="Tasks that were paid for before.")],
    /,
    *,
    out: Out = Path(),
    timeout: Timeout = 900.0,
) -> int:
    """Wait for tasks that are under way, and save their files."""
    with _bad_usage():
        tasks = [as_task(task_id) for task_id in dict.fromkeys(task_ids)]
        check_timeout(timeout)
        session = VidgoSession()
        report = Report(_made(out))

    async def one(vidgo: VidgoSession, task_id: str) -> None:
        report.expect(task_id)
        try:
            task = await vidgo.wait(task_id, timeout=timeout, on_update=report.state)
        except VidgoError as error:
            report.failure(task_id, error)
        else:
            await report.task(vidgo, task)

    return _run(lambda vidgo: _all(one, vidgo, [task.task_id for task in tasks]), report, session)


@app.command
def download(
    task_ids: Annotated[list[str], Parameter(help="Tasks that finished within the last 24 hours.")],
    /,
    *,
    out: Out = Path(),
) -> int:
    """Save the files of tasks that finished."""
    with _bad_usage():
        tasks = [as_task(task_id) for task_id in dict.fromkeys(task_ids)]
        session = VidgoSession()
        report = Report(_made(out))

    async def one(vidgo: VidgoSession, task_id: str) -> None:
        try:
            task = await vidgo.get_task(task_id)
        except VidgoError as error:
            report.failure(task_id, error)
            return
        if task.done:
            await report.task(vidgo, task)
        else:
            report.failure(task_id, VidgoError(f"not finished yet: {task.status}"))

    return _run(lambda vidgo: _all(one, vidgo, [task.task_id for task in tasks]), report, session)


@app.command
def upload(
    files: Annotated[list[Path], Parameter(help="Pictures: JPEG, PNG, GIF or WebP.")], /
) -> int:
    """Upload pictures, and print their URLs; they are kept for 72 hours."""
    with _bad_usage():
        session = VidgoSession()
        report = Report(Path())

    async def one(vidgo: VidgoSession, file: Path) -> None:
        try:
            uploaded = await vidgo.upload(file)
        except (VidgoError, ValueError, OSError) as error:
            report.trouble(str(file), error)
        else:
            report.tell(f"{file}: {uploaded.file_url}")

    return _run(lambda vidgo: _all(one, vidgo, files), report, session)


@app.command
def balance() -> int:
    """Print the credits that are left."""
    with _bad_usage():
        session = VidgoSession()
        report = Report(Path())

    async def job(vidgo: VidgoSession) -> None:
        try:
            found = await vidgo.balance()
        except VidgoError as error:
            report.trouble("balance", error)
        else:
            report.tell(f"{found.email or 'account'}: {found.credits:g} credits")

    return _run(job, report, session)


# --- Inside ---------------------------------------------------------------------------------


async def _all(
    one: Callable[[VidgoSession, _Thing], Coroutine[Any, Any, None]],
    vidgo: VidgoSession,
    things: Sequence[_Thing],
) -> None:
    async with anyio.create_task_group() as group:
        for thing in things:
            group.start_soon(one, vidgo, thing)


def _run(job: Job, report: Report, session: VidgoSession | None) -> int:
    """Run a job on a session, or on the sandbox; return the exit status."""
    try:
        anyio.run(functools.partial(_with_session, job, report, session))
    except KeyboardInterrupt:
        return INTERRUPTED
    return int(report.failed > 0)


async def _with_session(job: Job, report: Report, session: VidgoSession | None) -> None:
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_one_interrupt())
        stack.callback(report.close)
        if session is None:
            # Imported late: nobody else needs a web server.
            from vidgo_async.sandbox import Sandbox  # noqa: PLC0415

            sandbox = await stack.enter_async_context(Sandbox())
            # Its videos take a second, which nothing has learned yet.
            session = VidgoSession(sandbox.api_key, base_url=sandbox.url, polling=FixedPolling(0.5))
        vidgo = session
        stack.callback(lambda: report.leftovers(vidgo.unclaimed))
        await stack.enter_async_context(vidgo)
        await job(vidgo)


@contextlib.contextmanager
def _one_interrupt() -> Generator[None]:
    """Let the first Ctrl-C end the run, and no other the few seconds of settling accounts."""
    end_run = signal.getsignal(signal.SIGINT)
    if not callable(end_run):  # ignored, as in the background of a script
        yield
        return

    def heed(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        end_run(number, frame)

    signal.signal(signal.SIGINT, heed)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, end_run)


@contextlib.contextmanager
def _bad_usage() -> Generator[None]:
    """Turn wrong arguments into one plain sentence and exit status 2."""
    try:
        yield
    except (ValueError, TypeError) as error:
        sys.stderr.write(f"vidgo-async: {error}\n")
        sys.exit(BAD_USAGE)


def _made(folder: Path) -> Path:
    """Make sure that files can be written there, before any are paid for."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        msg = f"cannot save into {folder}: {error.strerror}"
        raise ValueError(msg) from error


def _parse(settings: Sequence[str]) -> dict[str, Any]:
    """Read key=value pairs; a value that is JSON is what it says, anything else is text."""
    parameters: dict[str, Any] = {}
    for setting in settings:
        key, separator, value = setting.partition("=")
        if not key or not separator:
            msg = f"--set takes key=value, not {setting!r}"
            raise ValueError(msg)
        if key == "prompt":
            msg = "--set cannot change the prompts; give them as they are"
            raise ValueError(msg)
        try:
            parameters[key] = json.loads(value)
        except ValueError:
            parameters[key] = value
    return parameters


def _pictures(model: str, image: str | None) -> dict[str, Any]:
    """Return the parameter that holds the picture to begin with."""
    if image is None:
        return {}
    if model != GrokImagine.model:
        msg = f"--image is for {GrokImagine.model}; for {model} use --set and its own parameter"
        raise ValueError(msg)
    is_url = image.startswith(("http://", "https://", "data:"))
    return {"image_urls": [image if is_url else _picture(Path(image))]}


def _picture(path: Path) -> Path:
    if not path.is_file():
        msg = f"--image {path}: there is no such file"
        raise ValueError(msg)
    return path


def _request(
    model: str, prompt: str, parameters: dict[str, Any]
) -> GenerationRequest | TypedRequest:
    """Make a checked request where the model is known, else a free-form one."""
    if model != GrokImagine.model:
        return GenerationRequest(model, {"prompt": prompt, **parameters})
    known = [field.name for field in attrs.fields(GrokImagine) if field.name != "prompt"]
    for name in parameters:
        if name not in known:
            msg = f"{model} has no parameter {name!r}; it has {', '.join(known)}"
            raise ValueError(msg)
    values: dict[str, Any] = {"prompt": prompt, **parameters}
    return GrokImagine(**values)
