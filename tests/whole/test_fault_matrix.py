"""The fault matrix: whatever goes wrong, nothing is bought twice and nothing is lost.

README's table says what happens to the paid POST; here each of its rows is put to the test, with
every fault that the sandbox has, and the result is printed as one table.
"""

import json
import re
from pathlib import Path

import anyio
import attrs
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.sessions import FOX, foxes, open_session
from vidgo_async import APIError, RetryPolicy, ServerError, SubmissionUnknownError, Task, VidgoError
from vidgo_async.sandbox import (
    DROPPED,
    Fault,
    Sandbox,
    Shape,
    after,
    answer,
    changed,
    cut_body,
    cut_headers,
    endless,
    gzipped,
    hang,
    hang_after,
    refusal,
    reset_after,
    reset_before,
    slow,
    with_headers,
    wrong_length,
)

pytestmark = pytest.mark.virtual_time

README = (Path(__file__).parents[2] / "README.md").read_text()
ROWS = dict(
    re.findall(
        r"^\| (.*?) \| (.*?) \|$",
        README.split("| the POST gets … | then |\n| --- | --- |\n")[1].split("\n\n")[0],
        re.MULTILINE,
    )
)
BOUGHT, UNREACHED, TOO_FAST, BUSY, REFUSED, UNCLEAR = ROWS

ERRORS = (400, 401, 402, 403, 404, 408, 409, 413, 418, 422, 429, 500, 502, 503, 504, 599)
WITH_ID = (*ERRORS, 201, 202, 302, 307)
GZIP = {"Content-Encoding": "gzip"}
ELSEWHERE = {"Location": "http://127.0.0.1:1/"}


def every_shape(row: str, status: int) -> dict[str, tuple[str, Fault]]:
    """Refuse in each of the API's shapes, and inside HTTP 200 where the shape has a code."""
    shapes: tuple[Shape, ...] = ("A", "B", "C", "D")
    plain = {f"{status} in shape {shape}": (row, refusal(status, shape)) for shape in shapes}
    hidden = {
        f"{status} in shape {shape} inside HTTP 200": (
            row,
            refusal(status, shape, inside_200=True),
        )
        for shape in shapes
        if shape in {"A", "D"}
    }
    return {**plain, **hidden}


def every_body(row: str, status: int) -> dict[str, tuple[str, Fault]]:
    """Respond as gateways do, and as no server should."""
    bodies: dict[str, Fault] = {
        "HTML": answer(status, "<html>"),
        "empty": answer(status),
        "broken JSON": answer(status, '{"code": 200, "da'),
        "an array": answer(status, []),
        "wrong types": answer(status, {"code": "200", "data": {"task_id": 5, "status": []}}),
        "not gzip": answer(status, b"x", GZIP),
        "9 MiB": answer(status, b" " * (9 << 20)),
    }
    return {f"{status}, {name}": (row, fault) for name, fault in bodies.items()}


def sold_with(status: int, code: int | None = None) -> Fault:
    """Sell, and respond with the task's id beside what looks like a refusal."""

    async def apply(request: web.Request, handler: Handler) -> web.StreamResponse:
        real = await handler(request)
        assert isinstance(real, web.Response)
        payload = json.loads(real.text or "")
        error = {"code": code or status, "error": {"message": "no", "type": "service_error"}}
        return web.json_response(payload | error, status=status)

    return apply


def wait_for(seconds: str) -> Fault:
    """Ask to retry later."""
    return refusal(429, "B", headers={"Retry-After": seconds})


SUBMITS: dict[str, tuple[str, Fault]] = {
    **{f"{status} with an id": (BOUGHT, sold_with(status)) for status in WITH_ID},
    **{f"{code} with an id inside HTTP 200": (BOUGHT, sold_with(200, code)) for code in ERRORS},
    "answered running": (BOUGHT, changed(status="running")),
    "a header of 60 KiB": (BOUGHT, with_headers({"Content-Security-Policy": "x" * 60_000})),
    "300 headers": (BOUGHT, with_headers({f"X-{number}": "x" for number in range(300)})),
    "cut after the whole of it": (BOUGHT, wrong_length(1)),
    **every_shape(TOO_FAST, 429),
    **every_body(TOO_FAST, 429),
    "429, Retry-After in seconds": (TOO_FAST, wait_for("3")),
    "429, Retry-After in the past": (TOO_FAST, wait_for("Wed, 21 Oct 2015 07:28:00 GMT")),
    "429, Retry-After absurd": (TOO_FAST, wait_for("9" * 30)),
    "429, Retry-After negative": (TOO_FAST, wait_for("-5")),
    "503 service_error": (BUSY, refusal(503)),
    "503 service_error inside HTTP 200": (BUSY, refusal(503, inside_200=True)),
    **{
        name: case
        for status in (400, 401, 402, 403, 404, 409, 413, 422)
        for name, case in every_shape(REFUSED, status).items()
    },
    **every_body(REFUSED, 400),
    "400 by moderation": (REFUSED, refusal(400, type="content_moderation_error")),
    "418, empty": (REFUSED, answer(418)),
    **{
        name: case
        for status in (408, 500, 502, 504)
        for name, case in every_shape(UNCLEAR, status).items()
    },
    **every_body(UNCLEAR, 200),
    **every_body(UNCLEAR, 503),
    "500 by moderation": (UNCLEAR, refusal(500, type="content_moderation_error")),
    "503 in shape B": (UNCLEAR, refusal(503, "B", message="service_error")),
    "200 without data": (UNCLEAR, answer(200, {"code": 200})),
    "101": (UNCLEAR, answer(101)),
    "302 to another host": (UNCLEAR, answer(302, headers=ELSEWHERE)),
    "307 to another host": (UNCLEAR, answer(307, headers=ELSEWHERE)),
    "502 after the sale": (UNCLEAR, after(answer(502))),
    "id missing": (UNCLEAR, changed(task_id=DROPPED)),
    "id null": (UNCLEAR, changed(task_id=None)),
    "reset before the sale": (UNCLEAR, reset_before),
    "reset after the sale": (UNCLEAR, reset_after),
    "no answer, not sold": (UNCLEAR, hang),
    "no answer, sold": (UNCLEAR, hang_after),
    "late, sold": (UNCLEAR, slow(20)),
    "a header of 70 KiB": (UNCLEAR, with_headers({"Content-Security-Policy": "x" * 70_000})),
    "id null, running": (UNCLEAR, changed(task_id=None, status="running")),
    "headers cut": (UNCLEAR, cut_headers),
    "body cut": (UNCLEAR, cut_body),
    "endless body": (UNCLEAR, endless()),
}

ENDED_AT_ONCE: dict[str, tuple[str, Fault]] = {
    "answered failed": (BOUGHT, changed(status="failed")),
    "answered finished": (BOUGHT, changed(status="finished")),
}


@attrs.frozen
class Result:
    """What one submit came to."""

    posts: int
    sold: int
    got: Task | VidgoError
    unclaimed: int


async def submit_under(fault: Fault | None) -> Result:
    """Submit once under a fault; None is a server that is down for five seconds."""
    patient = RetryPolicy(timeout=100.0)
    async with (
        Sandbox() as sandbox,
        open_session(sandbox, request_timeout=10.0, retry=patient) as vidgo,
    ):
        got: list[Task | VidgoError] = []

        async def submit() -> None:
            try:
                got.append(await vidgo.submit(FOX))
            except VidgoError as error:
                got.append(error)

        if fault is None:
            async with anyio.create_task_group() as group, sandbox.refusing():
                group.start_soon(submit)
                await anyio.sleep(5)
        else:
            sandbox.inject(fault)
            await submit()
        posts = sandbox.received["submit"]
        return Result(posts, sandbox.sold, got[0], len(vidgo.unclaimed))


def check(rule: str, tries: int, result: Result) -> None:
    """Hold a result against what README says of its row."""
    if rule.startswith("bought"):
        assert isinstance(result.got, Task)
        assert (result.posts, result.sold) == (1, 1)
    elif rule.startswith("sent again"):
        assert isinstance(result.got, Task)
        assert (result.posts, result.sold) == (tries, 1)
    elif rule.startswith("refused"):
        assert isinstance(result.got, APIError)
        assert not isinstance(result.got, ServerError)
        assert (result.posts, result.sold) == (1, 0)
    else:
        assert rule.startswith("`SubmissionUnknownError`, at once")
        assert isinstance(result.got, SubmissionUnknownError)
        assert result.posts == 1
        assert result.sold <= 1
    assert result.unclaimed == 0


async def test_readmes_table_is_true(capsys: pytest.CaptureFixture[str]) -> None:
    """Each row of README's table holds, for every fault that belongs to it."""
    cases = {"connection refused": (UNREACHED, None), **SUBMITS, **ENDED_AT_ONCE}
    lines = [f"{'fault on submit':<36}{'POSTs':>6}{'sold':>6}  the caller got"]
    for name, (row, fault) in cases.items():
        result = await submit_under(fault)
        kind = type(result.got).__name__
        lines.append(f"{name:<36}{result.posts:>6}{result.sold:>6}  {kind}")
        check(ROWS[row], 1 if fault is None else 2, result)
    assert {row for row, _ in cases.values()} == set(ROWS)
    with capsys.disabled():
        print("", *lines, sep="\n")  # noqa: T201 - the table is what this test is for


POLLS: dict[str, Fault] = {
    **{name: fault for name, (_, fault) in SUBMITS.items()},
    "a new status": changed(status="dreaming"),
    "no status": changed(status=DROPPED),
    "status a number": changed(status=1),
    "finished, file without URL": changed(status="finished", files=[{"file_type": "video"}]),
    "finished, files of a wrong type": changed(status="finished", files="none"),
    "files null": changed(files=None, status="running"),
    "wrong types": changed(status="running", progress="x", created_time=[], error_message=5),
    "progress missing": changed(progress=DROPPED, status="running"),
    "progress null": changed(progress=None, status="running"),
    "progress out of range": changed(progress=-7, status="running"),
    "another task's id": changed(task_id="other", status="running"),
    "compressed": gzipped,
}


@pytest.mark.parametrize("fault", POLLS.values(), ids=POLLS)
async def test_a_task_ends_as_it_truly_ended(fault: Fault) -> None:
    """Whatever the first, a middle or the last poll gets, the task is not lost."""
    async with (
        Sandbox(seconds=(12, 12), failure_rate=0.5, seed=1) as sandbox,
        open_session(sandbox, request_timeout=10.0) as vidgo,
    ):
        tasks = await vidgo.submit_many(foxes(3))
        for task, skip in zip(tasks, (0, 2, 4), strict=True):
            sandbox.inject(fault, call="status", task_id=task.task_id, skip=skip, times=2)
        async for ended in vidgo.as_completed(tasks):
            truth = sandbox.tasks[ended.task_id]
            assert ended.failed == (truth.failure is not None)
            assert ended.finished != ended.failed
            assert len(ended.files) == ended.finished
        assert sandbox.sold == 3
