"""The fault matrix: whatever goes wrong, nothing is bought twice and nothing is lost.

README's table says what happens to the paid POST; here each of its rows is put to the test, with
every fault that the sandbox has, and the result is printed as one table.
"""

import re
from pathlib import Path

import anyio
import attrs
import pytest

from support import FOX, open_session
from vidgo_async import APIError, RetryPolicy, ServerError, SubmissionUnknownError, Task, VidgoError
from vidgo_async.sandbox import (
    Fault,
    Sandbox,
    answer,
    cut_body,
    hang,
    hang_after,
    reset_after,
    reset_before,
)

pytestmark = pytest.mark.virtual_time

README = (Path(__file__).parent.parent / "README.md").read_text()
ROWS = dict(
    re.findall(
        r"^\| (.*?) \| (.*?) \|$",
        README.split("| what happens when … | then |\n| --- | --- |\n")[1].split("\n\n")[0],
        re.MULTILINE,
    )
)
UNREACHED, TOO_FAST, BUSY, REFUSED, UNCLEAR = ROWS

GZIP = {"Content-Encoding": "gzip"}
ELSEWHERE = {"Location": "http://127.0.0.1:1/"}


def worded(code: int, kind: str, *, inside_200: bool = False) -> Fault:
    """Refuse in the API's own words (shape A)."""
    body = {"code": code, "error": {"message": "no", "type": kind}}
    return answer(200 if inside_200 else code, body)


SUBMITS: dict[str, tuple[str, Fault]] = {
    "429 in shape A": (TOO_FAST, worded(429, "rate_limit_error")),
    "429 in shape B": (TOO_FAST, answer(429, {"detail": "slow down"})),
    "429, HTML": (TOO_FAST, answer(429, "<html>")),
    "429, empty": (TOO_FAST, answer(429)),
    "429, unreadable": (TOO_FAST, answer(429, b"x", GZIP)),
    "429 inside HTTP 200": (TOO_FAST, worded(429, "rate_limit_error", inside_200=True)),
    "429, Retry-After in seconds": (TOO_FAST, answer(429, headers={"Retry-After": "3"})),
    "429, Retry-After in the past": (
        TOO_FAST,
        answer(429, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
    ),
    "429, Retry-After absurd": (TOO_FAST, answer(429, headers={"Retry-After": "9" * 30})),
    "429, Retry-After negative": (TOO_FAST, answer(429, headers={"Retry-After": "-5"})),
    "503 service_error": (BUSY, worded(503, "service_error")),
    "503 service_error inside HTTP 200": (BUSY, worded(503, "service_error", inside_200=True)),
    "400 in shape A": (REFUSED, worded(400, "validation_error")),
    "400 inside HTTP 200": (REFUSED, worded(400, "validation_error", inside_200=True)),
    "400 by moderation": (REFUSED, worded(400, "content_moderation_error")),
    "401 in shape B": (REFUSED, answer(401, {"detail": "no"})),
    "402 in shape A": (REFUSED, worded(402, "insufficient_credits_error")),
    "403, HTML": (REFUSED, answer(403, "<html>")),
    "404 in shape D": (REFUSED, answer(404, {"code": 404, "message": "no"})),
    "409 in shape A": (REFUSED, worded(409, "conflict_error")),
    "413, empty": (REFUSED, answer(413)),
    "418, empty": (REFUSED, answer(418)),
    "422 in shape C": (
        REFUSED,
        answer(422, {"detail": [{"loc": ["body", "model"], "msg": "no", "type": "t"}]}),
    ),
    "408 in shape A": (UNCLEAR, worded(408, "timeout_error")),
    "408 inside HTTP 200": (UNCLEAR, worded(408, "timeout_error", inside_200=True)),
    "101": (UNCLEAR, answer(101)),
    "302 to another host": (UNCLEAR, answer(302, headers=ELSEWHERE)),
    "307 to another host": (UNCLEAR, answer(307, headers=ELSEWHERE)),
    "500 in shape A": (UNCLEAR, worded(500, "internal_error")),
    "500 by moderation": (UNCLEAR, worded(500, "content_moderation_error")),
    "500 inside HTTP 200": (UNCLEAR, worded(500, "server_error", inside_200=True)),
    "502, HTML": (UNCLEAR, answer(502, "<html>")),
    "503, HTML": (UNCLEAR, answer(503, "<html>")),
    "503 in shape B": (UNCLEAR, answer(503, {"detail": "service_error"})),
    "504, empty": (UNCLEAR, answer(504)),
    "200, empty": (UNCLEAR, answer(200)),
    "200, HTML": (UNCLEAR, answer(200, "<html>")),
    "200, broken JSON": (UNCLEAR, answer(200, '{"code": 200, "da')),
    "200, an array": (UNCLEAR, answer(200, [])),
    "200 without data": (UNCLEAR, answer(200, {"code": 200})),
    "200, task_id a number": (UNCLEAR, answer(200, {"code": 200, "data": {"task_id": 5}})),
    "200, not gzip": (UNCLEAR, answer(200, b"x", GZIP)),
    "200, 9 MiB": (UNCLEAR, answer(200, b" " * (9 << 20))),
    "reset before the sale": (UNCLEAR, reset_before),
    "reset after the sale": (UNCLEAR, reset_after),
    "no answer, not sold": (UNCLEAR, hang),
    "no answer, sold": (UNCLEAR, hang_after),
    "body cut": (UNCLEAR, cut_body),
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
    if rule.startswith("sent again"):
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
    cases = {"connection refused": (UNREACHED, None), **SUBMITS}
    lines = [f"{'fault on submit':<36}{'POSTs':>6}{'sold':>6}  the caller got"]
    for name, (row, fault) in cases.items():
        result = await submit_under(fault)
        kind = type(result.got).__name__
        lines.append(f"{name:<36}{result.posts:>6}{result.sold:>6}  {kind}")
        check(ROWS[row], 1 if fault is None else 2, result)
    assert {row for row, _ in cases.values()} == set(ROWS)
    with capsys.disabled():
        print("", *lines, sep="\n")  # noqa: T201 - the table is what this test is for


RUNNING = {"task_id": "x", "status": "running"}
WATCHES: dict[str, Fault] = {
    **{name: fault for name, (_, fault) in SUBMITS.items()},
    "401 in shape A": worded(401, "authentication_error"),
    "404 in shape B": answer(404, {"detail": "no"}),
    "a new status": answer(200, {"code": 200, "data": {**RUNNING, "status": "dreaming"}}),
    "no status": answer(200, {"code": 200, "data": {"task_id": "x"}}),
    "finished, file without URL": answer(
        200, {"code": 200, "data": {"status": "finished", "files": [{"file_type": "video"}]}}
    ),
    "files null": answer(200, {"code": 200, "data": {**RUNNING, "files": None}}),
    "wrong types": answer(
        200, {"code": 200, "data": {**RUNNING, "files": 5, "progress": "x", "created_time": []}}
    ),
    "progress out of range": answer(200, {"code": 200, "data": {**RUNNING, "progress": -7}}),
    "another task's id": answer(200, {"code": 200, "data": {**RUNNING, "task_id": "other"}}),
}


@pytest.mark.parametrize("fault", WATCHES.values(), ids=WATCHES)
async def test_a_task_ends_as_it_truly_ended(fault: Fault) -> None:
    """Whatever the first, a middle or the last poll gets, the task is not lost."""
    async with (
        Sandbox(seconds=(12, 12), failure_rate=0.5, seed=1) as sandbox,
        open_session(sandbox, request_timeout=10.0) as vidgo,
    ):
        for skip in (0, 2, 4):
            task = await vidgo.submit(FOX)
            sandbox.inject(fault, call="status", task_id=task.task_id, skip=skip, times=2)
            ended = await vidgo.wait(task)
            truth = sandbox.tasks[task.task_id]
            assert ended.failed == (truth.failure is not None)
            assert ended.finished != ended.failed
            assert len(ended.files) == ended.finished
        assert sandbox.sold == 3
