"""`outcomes.jsonl`: what a folder of videos holds, and what failed."""

import asyncio
import json
import logging
import os
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.files import names_in
from tests.support.sessions import FOX, foxes, open_session
from tests.support.uploads import PNG, picture
from vidgo_async import (
    GenerationRequest,
    GrokImagine,
    InvalidRequestError,
    Outcome,
    Pending,
    SubmissionUnknownError,
    Task,
    TaskFailedError,
    TaskTimeoutError,
    VidgoSession,
)
from vidgo_async._core.concurrency import Threads
from vidgo_async._files.outcome_log import NAME, OutcomeLog
from vidgo_async._generation.breaker import Breaker
from vidgo_async._generation.runner import BatchOptions, Runner
from vidgo_async._generation.slot import Slot
from vidgo_async.requests import PreparedRequest
from vidgo_async.sandbox import Sandbox, answer, changed, failed_at_once, reset_after

pytestmark = pytest.mark.virtual_time


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / NAME).read_text().splitlines()]


async def run(
    vidgo: VidgoSession, requests: list[Any], folder: Path, **options: Any
) -> list[Outcome]:
    batch = vidgo.generate_many(requests, download_to=folder, **options)
    return [outcome async for outcome in batch]


async def test_each_outcome_is_a_line(tmp_path: Path) -> None:
    """What was saved, what failed, what is paid for, and what may be: a line for each."""
    async with (
        Sandbox(seconds=(60, 60)) as sandbox,
        open_session(sandbox, request_timeout=5.0) as vidgo,
    ):
        sandbox.inject(answer(400, {"code": 400, "message": "too dark"}))
        sandbox.inject(failed_at_once("no GPU"))
        sandbox.inject(reset_after)
        sandbox.inject(answer(500), "file", times=None, skip=1)
        await run(vidgo, foxes(5), tmp_path, max_in_flight=1)
    found = {each["number"]: each for each in lines(tmp_path)}
    assert [found[number]["state"] for number in range(1, 6)] == [
        "failed",
        "failed",
        "unknown",
        "saved",
        "unsaved",
    ]
    saved = found[4]
    assert saved["version"] == 1
    assert (saved["model"], saved["input"]) == ("grok-imagine", {"prompt": "fox 3"})
    assert saved["files"] == [f"{saved['task_id']}.mp4"]
    assert 0 <= saved["seconds"] < 30  # by the wall's clock, which does not jump
    assert (saved["credits"], saved["error"], saved["error_type"]) == (1.5, None, None)
    assert found[1]["error_type"] == "InvalidRequestError"
    assert found[1]["task_id"] is None
    assert "no GPU" in found[2]["error"]
    assert found[2]["credits"] == 0
    assert found[5]["error_type"] == "DownloadError"
    assert len({each["run"] for each in found.values()}) == 1


async def test_single_calls_are_lines_too(tmp_path: Path) -> None:
    """`generate` writes one; what was never sent, or is closed first, tells nothing."""
    async with Sandbox(seconds=(60, 60)) as sandbox, open_session(sandbox) as vidgo:
        await vidgo.generate(FOX, download_to=tmp_path)
        sandbox.inject(failed_at_once())
        with pytest.raises(TaskFailedError):
            await vidgo.generate(FOX, download_to=tmp_path)
        with pytest.raises(TaskTimeoutError):
            await vidgo.generate(FOX, download_to=tmp_path, timeout=10)
        with pytest.raises(TaskTimeoutError):
            await vidgo.generate(FOX, download_to=tmp_path, timeout=0)
    assert [each["state"] for each in lines(tmp_path)] == ["saved", "failed", "unsaved"]
    assert {each["number"] for each in lines(tmp_path)} == {None}


async def test_what_stands_there_is_not_written_again(tmp_path: Path) -> None:
    """A second run over a journal adds what is new; a log that was deleted is written again."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        journal = tmp_path / "foxes.vidgo"
        for count in (2, 3, 3):
            await run(vidgo, foxes(count), tmp_path / "films", journal=journal)
        assert len(lines(tmp_path / "films")) == 3
        (tmp_path / "films" / NAME).unlink()
        await run(vidgo, foxes(3), tmp_path / "films", journal=journal)
    assert len({each["task_id"] for each in lines(tmp_path / "films")}) == 3


async def test_media_are_short_texts(tmp_path: Path) -> None:
    """A path is its text, an uploaded file its URL, and a `data:` URL is cut."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        path = picture(tmp_path)
        uploaded = await vidgo.upload(path)
        data = "data:image/png;base64," + "iVBORw0KGgo" + "A" * 1000
        urls = [path, uploaded, data]
        request = GenerationRequest("kling", {"prompt": "fox", "image_urls": urls})
        await run(vidgo, [request], tmp_path / "films")
    [line] = lines(tmp_path / "films")
    first, second, third = line["input"]["image_urls"]
    assert (first, second) == (str(path), uploaded.file_url)
    assert third.startswith("data:image/png;base64,iVBOR")
    assert len(third) == 81


async def test_files_elsewhere_are_named_in_full(tmp_path: Path) -> None:
    """What an earlier run saved in another folder keeps its path."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        journal = tmp_path / "foxes.vidgo"
        await run(vidgo, [FOX], tmp_path / "a", journal=journal)
        await run(vidgo, [FOX], tmp_path / "b", journal=journal)
    [line] = lines(tmp_path / "b")
    assert line["files"] == [str(tmp_path / "a" / f"{line['task_id']}.mp4")]


# --- Faults ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rest", [b'{"torn', b"\n\n", b"[1]\nnull\n{}\n", b"\xff\n"])
async def test_a_torn_line_costs_no_other(rest: bytes, tmp_path: Path) -> None:
    """What a process wrote that died is left as it is, and the next line is whole."""
    (tmp_path / NAME).write_bytes(rest)
    log = OutcomeLog(tmp_path, Threads())
    record = {"task_id": "1", "state": "saved", "files": ["1.mp4"]}
    await log.add(record, is_recalled=True)
    await log.add(record, is_recalled=False)
    written = (tmp_path / NAME).read_bytes()
    assert written.startswith(rest)
    assert [json.loads(line) for line in written.splitlines()[-2:]] == [record, record]
    await OutcomeLog(tmp_path, Threads()).add(record, is_recalled=True)
    assert (tmp_path / NAME).read_bytes() == written


@pytest.mark.parametrize("kind", ["folder", "pipe"])
async def test_a_log_that_cannot_be_written_costs_nothing(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once, and all outcomes come."""
    (tmp_path / NAME).mkdir() if kind == "folder" else os.mkfifo(tmp_path / NAME)
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        with caplog.at_level(logging.WARNING, "vidgo_async"):
            outcomes = await run(vidgo, foxes(3), tmp_path)
    assert [outcome.ok for outcome in outcomes] == [True] * 3
    ours = [each for each in caplog.records if each.name == "vidgo_async"]
    assert len([each for each in ours if "could not be written" in each.message]) == 1


async def test_a_disk_that_takes_half_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a line that was cut short the next one begins anew."""
    log = OutcomeLog(tmp_path, Threads())
    real = Path.open

    class Half:
        def __init__(self, file: Any) -> None:
            self._file = file

        def __enter__(self) -> "Half":
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()

        def seek(self, *_: int) -> int:
            return 0

        def write(self, line: bytes) -> int:
            return int(self._file.write(line[: len(line) // 2]))

    monkeypatch.setattr(Path, "open", lambda *given, **options: Half(real(*given, **options)))
    await log.add({"a": 1}, is_recalled=False)
    monkeypatch.undo()
    await log.add({"b": 2}, is_recalled=False)
    assert (tmp_path / NAME).read_bytes() == b'{"a"\n{"b": 2}\n'


# --- Names -----------------------------------------------------------------------------------


async def test_files_are_named_by_a_function(tmp_path: Path) -> None:
    """`name` is given the `Pending`; what it returns is made harmless, and gets a number if taken."""
    (tmp_path / "fox.mp4").write_text("mine")
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        names = iter(["fox", "../fox", "", "a/b.MP4", "con"])
        outcomes = await run(
            vidgo, foxes(5), tmp_path, name=lambda pending: next(names), max_in_flight=1
        )
    assert [outcome.paths[0].name for outcome in outcomes] == [
        "fox-2.mp4",
        "fox-3.mp4",
        "file.mp4",
        "a-b.MP4",
        "_con.mp4",
    ]
    assert (tmp_path / "fox.mp4").read_text() == "mine"


async def test_a_name_knows_request_and_task(tmp_path: Path) -> None:
    """A `Pending` has the place, the request, and the finished task."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        [outcome] = await run(
            vidgo,
            [FOX],
            tmp_path,
            name=lambda p: f"{p.index} {p.request.input['prompt']} {p.task and p.task.status}",
        )
    assert outcome.paths == (tmp_path / "0 a fox in snow finished.mp4",)


async def test_several_files_and_kinds(tmp_path: Path) -> None:
    """Each file of a task has its own suffix, and from the second on a number."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        await run(vidgo, [FOX], tmp_path / "a")
        [task_id] = sandbox.tasks
        url = f"{sandbox.url}/files/{task_id}.mp4"
        files = [{"file_url": url, "file_type": "video"}] * 3
        sandbox.inject(changed(files=files), "status", times=None)
        [outcome] = await run(vidgo, [FOX], tmp_path / "b", name=lambda _: "fox")
    assert [path.name for path in outcome.paths] == ["fox.mp4", "fox-2.mp4", "fox-3.mp4"]


@pytest.mark.parametrize("problem", ["raises", "no text"])
async def test_a_name_that_fails_loses_nothing(problem: str, tmp_path: Path) -> None:
    """Reading stops, what was bought is saved under its task's id, and the error comes last."""

    def name(_: object) -> Any:
        if problem == "raises":
            raise KeyError("fox")
        return 7

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        batch = vidgo.generate_many(foxes(9), download_to=tmp_path, name=name, max_in_flight=2)
        outcomes = list[Outcome]()
        with pytest.raises((KeyError, TypeError)):
            async for outcome in batch:
                outcomes.append(outcome)
        assert len(outcomes) == sandbox.sold < 9
        assert {path.stem for each in outcomes for path in each.paths} == set(sandbox.tasks)


async def test_a_name_is_a_plain_function() -> None:
    """What would have to be awaited is refused before anything is bought."""

    async def name(_: object) -> str:
        return "fox"

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        with pytest.raises(TypeError, match="name must be a plain function"):
            vidgo.generate_many([FOX], name=name)  # type: ignore[arg-type]  # what is refused


async def test_a_second_run_keeps_the_names(tmp_path: Path) -> None:
    """What a journal says is saved stays where it is, under whatever name."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        for name in ("first", "second"):
            [outcome] = await run(
                vidgo,
                [FOX],
                tmp_path / "films",
                journal=tmp_path / "j",
                name=lambda _, name=name: name,
            )
            assert [path.name for path in outcome.paths] == ["first.mp4"]
        assert sandbox.received["file"] == 1


async def test_recalled_requests_with_pictures(tmp_path: Path) -> None:
    """A request whose picture was uploaded by an earlier run waits for its task, without an upload."""
    request = GrokImagine(prompt="fox", image_urls=[picture(tmp_path, "fox.png", PNG)])
    async with Sandbox(seconds=(60, 60)) as sandbox, open_session(sandbox) as vidgo:
        for timeout in (5, 900):
            await run(vidgo, [request], tmp_path / "films", journal=tmp_path / "j", timeout=timeout)
        assert (sandbox.sold, sandbox.received["upload"]) == (1, 1)
    assert [each["state"] for each in lines(tmp_path / "films")] == ["unsaved", "saved"]


# --- Odd requests and lines ------------------------------------------------------------------


async def test_a_request_that_json_cannot_carry(tmp_path: Path) -> None:
    """It is an outcome as without a folder, and the others are written down."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        huge = GenerationRequest("m", {"prompt": "a", "seed": 10**4400})
        outcomes = await run(vidgo, [huge, FOX], tmp_path)
    assert sorted(outcome.ok for outcome in outcomes) == [False, True]
    assert [each["state"] for each in lines(tmp_path)] == ["saved"]


@pytest.mark.parametrize(
    "line", ['{"files": 1}', '{"task_id": ["x"]}', '{"task_id": {}}', "[" * 10_000]
)
async def test_lines_of_others_cost_nothing(line: str, tmp_path: Path) -> None:
    """Whatever stands in the file, outcomes and errors are what they are without it."""
    (tmp_path / NAME).write_text(line + "\n")
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        journal = tmp_path / "j"
        for _ in range(2):
            [outcome] = await run(vidgo, [FOX], tmp_path, journal=journal)
            assert outcome.ok
        sandbox.inject(reset_after)
        with pytest.raises(SubmissionUnknownError):
            await vidgo.generate(FOX, download_to=tmp_path)
    assert len((tmp_path / NAME).read_text().splitlines()) == 3


async def test_each_run_writes_its_failures(tmp_path: Path) -> None:
    """What failed before failed again: a line for each, of batches and single calls."""
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(answer(400, {"code": 400, "message": "no"}), times=None)
        for _ in range(3):
            await run(vidgo, foxes(2), tmp_path)
        with pytest.raises(InvalidRequestError):
            await vidgo.generate(FOX, download_to=tmp_path)
    assert len(lines(tmp_path)) == 7


async def test_a_video_that_is_saved_again_is_written_again(tmp_path: Path) -> None:
    """Deleted, not to be fetched, and fetched at last: the last line tells how it is."""
    folder, journal = tmp_path / "films", tmp_path / "j"
    is_broken = False

    async def broken(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await (answer(500)(request, handler) if is_broken else handler(request))

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(broken, "file", times=None)
        [outcome] = await run(vidgo, [FOX], folder, journal=journal)
        outcome.paths[0].unlink()
        is_broken = True
        await run(vidgo, [FOX], folder, journal=journal)
        is_broken = False
        await run(vidgo, [FOX], folder, journal=journal)
    assert [each["state"] for each in lines(folder)] == ["saved", "unsaved", "saved"]
    assert {each["entry"] for each in lines(folder)} == {1}


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_caller_who_leaves_while_it_is_written_loses_nothing(
    is_known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `generate` bought, or may have, is in `unclaimed` then."""
    writing, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(*_: object, **__: object) -> None:
        writing.set()
        await go_on.wait()

    monkeypatch.setattr(OutcomeLog, "add", slowly)
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        if not is_known:
            sandbox.inject(reset_after)
        call = asyncio.create_task(vidgo.generate(FOX, download_to=tmp_path))
        await writing.wait()
        call.cancel()
        await asyncio.wait({call})
        assert call.cancelled()
        [purchase] = vidgo.unclaimed
        assert isinstance(purchase, Task if is_known else SubmissionUnknownError)
        go_on.set()


async def test_a_closed_session_records_its_task_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller who is cancelled while the end of the session is written down changes nothing."""
    writing, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(*_: object, **__: object) -> None:
        writing.set()
        await go_on.wait()

    monkeypatch.setattr(OutcomeLog, "add", slowly)
    async with Sandbox(seconds=(600, 600)) as sandbox:
        vidgo = await open_session(sandbox).__aenter__()
        call = asyncio.create_task(vidgo.generate(FOX, download_to=tmp_path))
        await anyio.sleep(20)
        closing = asyncio.create_task(vidgo.aclose())
        await writing.wait()
        call.cancel()
        await asyncio.wait({call})
        go_on.set()
        await closing
    assert [type(each) for each in vidgo.unclaimed] == [Task]


@pytest.mark.parametrize("signal", [KeyboardInterrupt, SystemExit])
async def test_a_name_that_ends_the_program(signal: type[BaseException], tmp_path: Path) -> None:
    """Ctrl-C in the function that names files is no error of that function."""

    def name(_: object) -> str:
        raise signal

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        downloads = Runner(
            vidgo._open().submitter,
            BatchOptions(
                callback_url=None,
                timeout=None,
                on_update=None,
                folder=None,
                max_in_flight=1,
                max_concurrent_submits=1,
                name=name,
            ),
            Breaker(),
            lambda _: None,
        )
        task = Task("1", "finished")
        with pytest.raises(signal):
            downloads._stem(Slot(0, PreparedRequest(FOX), asyncio.Semaphore()), task)


async def test_a_refused_call_that_is_left_has_nothing_to_claim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that bought nothing leaves nothing in `unclaimed`."""
    writing = asyncio.Event()

    async def slowly(*_: object, **__: object) -> None:
        writing.set()
        await asyncio.sleep(5)

    monkeypatch.setattr(OutcomeLog, "add", slowly)
    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(answer(400, {"code": 400, "message": "no"}))
        call = asyncio.create_task(vidgo.generate(FOX, download_to=tmp_path))
        await writing.wait()
        call.cancel()
        await asyncio.wait({call})
    assert vidgo.unclaimed == ()


# --- Equal names -----------------------------------------------------------------------------


async def test_equal_names_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """One bad link delays no other file of its name."""
    bad: list[str] = []

    async def one_is_bad(request: web.Request, handler: Handler) -> web.StreamResponse:
        bad.append(request.path)
        return await (answer(404)(request, handler) if request.path == bad[0] else handler(request))

    async with Sandbox(seconds=(5, 5)) as sandbox, open_session(sandbox) as vidgo:
        sandbox.inject(one_is_bad, "file", times=None)
        started = anyio.current_time()
        batch = vidgo.generate_many(foxes(8), download_to=tmp_path, name=lambda _: "fox")
        ends = [(anyio.current_time() - started, outcome.ok) async for outcome in batch]
    assert [ok for _, ok in ends] == [True] * 7 + [False]
    assert ends[6][0] < 20 < ends[7][0]
    assert len(names_in(tmp_path)) == 7


@pytest.mark.parametrize("returned", ["coroutine", "None", "bytes", "cancelled"])
async def test_a_name_that_is_no_text(returned: str, tmp_path: Path) -> None:
    """It is a clear error after all outcomes; the files have the names of their tasks."""

    async def later() -> str:
        return "fox"

    def name(_: object) -> Any:
        if returned == "cancelled":
            raise asyncio.CancelledError
        return later() if returned == "coroutine" else None if returned == "None" else b"fox"

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        outcomes = list[Outcome]()
        with pytest.raises((TypeError, asyncio.CancelledError)):
            async for outcome in vidgo.generate_many([FOX], download_to=tmp_path, name=name):
                outcomes.append(outcome)
    assert [path.stem for each in outcomes for path in each.paths] == list(sandbox.tasks)


async def test_a_name_is_asked_for_only_where_a_file_is_saved(tmp_path: Path) -> None:
    """Without a folder, and where all is saved, the function is not called."""
    asked = list[int]()

    def name(pending: Pending) -> str:
        asked.append(pending.index)
        return "fox"

    async with Sandbox() as sandbox, open_session(sandbox) as vidgo:
        [_] = [each async for each in vidgo.generate_many([FOX], name=name)]
        for _ in range(2):
            await run(vidgo, [FOX], tmp_path / "films", journal=tmp_path / "j", name=name)
    assert asked == [0]
