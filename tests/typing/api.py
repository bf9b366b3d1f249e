"""Typed usage that mypy checks and no test runs: the type of each call and value."""

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import assert_type

from vidgo_async import (
    Balance,
    Batch,
    Completions,
    Entry,
    EntryState,
    Failure,
    FixedPolling,
    GenerationRequest,
    GrokImagine,
    Journal,
    MediaFile,
    Outcome,
    Pending,
    PollingPolicy,
    Request,
    RetryPolicy,
    SubmissionUnknownError,
    SubmitErrorGroup,
    Success,
    Task,
    UploadedFile,
    VidgoError,
    VidgoSession,
    WebhookReceiver,
    parse_webhook,
)


class LateRiser:
    """A policy of one's own needs no base class."""

    def next_delay(self, task: Task, age: float | None) -> float:
        return 10.0 if age is not None and age < 60 else 3.0


class NoPolicy:
    """Not a policy: its method has another name."""

    def delay(self) -> float:
        return 3.0


def make() -> None:
    policy: PollingPolicy = LateRiser()
    assert_type(VidgoSession(), VidgoSession)
    assert_type(VidgoSession("key", polling=policy), VidgoSession)
    assert_type(VidgoSession(polling=FixedPolling(2)), VidgoSession)
    VidgoSession(
        api_key=None,
        base_url="http://localhost:8000",
        callback_url="https://example.com/done",
        max_concurrent_requests=4,
        max_concurrent_submits=2,
        max_requests_per_second=0.5,
        polling=LateRiser(),
        retry=RetryPolicy(timeout=60, resend_on_503=False),
        request_timeout=10,
        proxy=None,
        trust_env=True,
    )
    VidgoSession(polling=NoPolicy())  # type: ignore[arg-type]
    VidgoSession(None, "http://localhost")  # type: ignore[call-arg]


def ask() -> None:
    images: list[str] = ["https://example.com/fox.png"]
    GrokImagine("a fox", image_urls=images, aspect_ratio="16:9", mode="fun", duration=10)
    GrokImagine(prompt="a fox", image_urls=("https://example.com/fox.png",))
    GrokImagine("a fox", aspect_ratio="4:3")  # type: ignore[arg-type]
    GrokImagine("a fox", duration=7)  # type: ignore[arg-type]
    GenerationRequest("any-model", {"prompt": "a fox", "seed": 7})


async def buy(vidgo: VidgoSession) -> None:
    request = GrokImagine("a fox")
    free_form = GenerationRequest("any-model", {})
    mixed: list[GrokImagine | GenerationRequest] = [request, free_form]
    assert_type(await vidgo.submit(request), Task)
    assert_type(await vidgo.submit(free_form, callback_url="https://example.com"), Task)
    assert_type(await vidgo.submit_many([request, request]), list[Task])
    assert_type(await vidgo.submit_many(mixed), list[Task])
    untold = [request, free_form]
    assert_type(await vidgo.submit_many(untold), list[Task])
    vidgo.generate_many(untold)
    any_kind: Sequence[Request] = untold
    assert_type(await vidgo.submit_many(any_kind), list[Task])
    vidgo.generate_many(any_kind)
    vidgo.generate_many([GrokImagine("a fox"), GenerationRequest("any-model", {})])
    assert_type(await vidgo.submit_many(GrokImagine(p) for p in ("a", "b")), list[Task])
    assert_type(await vidgo.generate(request, timeout=None, on_update=print), Task)
    await vidgo.submit("a fox")  # type: ignore[arg-type]


def unknown(task_id: str) -> None:
    raise RuntimeError(task_id)


async def unknown_later(task_id: str) -> None:
    raise RuntimeError(task_id)


async def be_called_back(body: bytes) -> None:
    receiver = WebhookReceiver("a-token-of-16-characters", on_unknown=unknown)
    receiver.on_unknown = unknown_later
    assert_type(receiver.callback_url("https://example.com"), str)
    assert_type(await receiver.handle(body, None), Task)
    assert_type(parse_webhook(body), Task)
    assert_type(VidgoSession(webhooks=receiver, callback_url="https://example.com"), VidgoSession)
    VidgoSession(webhooks="a-token-of-16-characters")  # type: ignore[arg-type]


async def outlive(vidgo: VidgoSession) -> None:
    request = GrokImagine("a fox")
    assert_type(vidgo.generate_many([request], journal="foxes.vidgo"), Batch)
    assert_type(vidgo.resume(Path("foxes.vidgo"), retry_failed=False), Batch)
    async with Journal("foxes.vidgo") as journal:
        assert_type(await vidgo.generate(request, journal=journal), Task)
        for entry in await journal.entries(state=EntryState.UNKNOWN):
            assert_type(entry, Entry)
            assert_type(entry.task, Task | None)
            await journal.adopt(entry, "task-1")
    await vidgo.generate(request, journal="foxes.vidgo")  # type: ignore[arg-type]


async def wait(vidgo: VidgoSession, task: Task) -> None:
    assert_type(await vidgo.get_task("task-1"), Task)
    assert_type(await vidgo.wait(task, timeout=60), Task)
    assert_type(await vidgo.wait("task-1", on_update=lambda seen: seen.progress), Task)
    completed = vidgo.as_completed([task, "task-1"], timeout=60)
    assert_type(completed, Completions)
    assert_type(completed.pending, tuple[str, ...])
    async for ended in completed:
        assert_type(ended, Task)
    async with vidgo.as_completed({"task-1"}) as entered:
        assert_type(entered, Completions)
        assert_type(await anext(entered), Task)


def many() -> Iterator[GrokImagine]:
    yield GrokImagine("a fox")


async def stream() -> AsyncIterator[GrokImagine | GenerationRequest]:
    yield GrokImagine("a fox")


async def run_a_batch(vidgo: VidgoSession) -> None:
    assert_type(vidgo.generate_many([GrokImagine("a fox")], max_in_flight=4), Batch)
    async for outcome in vidgo.generate_many(many(), timeout=None):
        assert_type(outcome, Outcome)
        assert_type(outcome.index, int)
        assert_type(outcome.ok, bool)
        assert_type(outcome.task, Task | None)
        assert_type(outcome.error, VidgoError | None)
        assert_type(outcome.paths, tuple[Path, ...])
    async with vidgo.generate_many(stream(), on_update=print) as batch:
        assert_type(batch, Batch)
        assert_type(batch.in_flight, tuple[Pending, ...])
        assert_type(batch.newest(2), tuple[Pending, ...])
        for pending in batch.in_flight:
            assert_type(pending.index, int)
            assert_type(pending.request, Request)
            assert_type(pending.task, Task | None)
        assert_type((batch.read, batch.submitted), tuple[int, int])
        assert_type((batch.finished, batch.failed), tuple[int, int])
        assert_type(await anext(batch), Outcome)
    vidgo.generate_many(GrokImagine("a fox"))  # type: ignore[arg-type]


def narrow(outcome: Outcome, thing: object) -> None:
    """In each branch the type of `task` and `error` is known, whatever asks."""
    shown = outcome.task.files if outcome.error is None else outcome.error
    assert_type(shown, tuple[MediaFile, ...] | VidgoError)
    if outcome.error is None:
        assert_type(outcome, Success)
        assert_type(outcome.task, Task)
    else:
        assert_type(outcome, Failure)
        assert_type(outcome.error, VidgoError)
    if isinstance(outcome, Success):
        assert_type(outcome.task, Task)
    else:
        assert_type(outcome.error, VidgoError)
    match outcome:
        case Success(task=task):
            assert_type(task, Task)
        case Failure(error=error):
            assert_type(error, VidgoError)
    if isinstance(thing, Outcome):
        assert_type(thing, Success | Failure)


def narrow_early(outcome: Outcome) -> Task:
    if outcome.error is not None:
        raise outcome.error
    assert_type(outcome.task, Task)
    return outcome.task


async def fetch(vidgo: VidgoSession, file: MediaFile) -> None:
    def on_progress(done: int, size: int | None) -> None: ...

    assert_type(await vidgo.download(file, "fox.mp4"), Path)
    assert_type(await vidgo.download(file, Path("fox.mp4"), overwrite=True), Path)
    assert_type(await vidgo.download(file, "fox.mp4", on_progress=on_progress), Path)
    await vidgo.download(file.file_url, "fox.mp4")  # type: ignore[arg-type]


async def upload(vidgo: VidgoSession, path: Path) -> None:
    file = await vidgo.upload(path, file_name="fox.png", upload_path="pictures")
    assert_type(file, UploadedFile)
    assert_type(file.file_url, str)
    assert_type(file.expired, bool)
    await vidgo.upload(b"bytes")
    await vidgo.upload("https://example.com/fox.png")
    GrokImagine("a fox", image_urls=[path])
    GrokImagine("a fox", image_urls=[file, "https://example.com/fox.png"])
    await vidgo.upload(5)  # type: ignore[arg-type]


async def account(vidgo: VidgoSession) -> None:
    assert_type(await vidgo.balance(), Balance)
    assert_type(vidgo.unclaimed, tuple[Task | SubmissionUnknownError, ...])
    async with vidgo as entered:
        assert_type(entered, VidgoSession)
    await vidgo.aclose()


def read_errors(group: SubmitErrorGroup, error: VidgoError) -> None:
    assert_type(group.accepted, dict[int, Task])
    assert_type(group.failed, dict[int, VidgoError])
    assert_type(error.task_id, str | None)
    assert_type(error.task, Task | None)
    assert_type(error.own_copy(), VidgoError)
