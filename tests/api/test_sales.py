"""What a response to a submit says of the sale: a readable `task_id` means bought."""

import json
from typing import Any

import pytest

from tests.support.responses import NOW, answer, polled, submitted, surprises
from vidgo_async import APIError, ResponseError, Task
from vidgo_async._api.wire import Origin, read_cut_sale, read_submitted

ORIGIN = Origin("grok-imagine", NOW)
REFUSALS: list[dict[str, Any]] = [
    {"code": 429, "error": {"message": "slow down", "type": "rate_limit_error"}},
    {"code": 503, "error": {"message": "busy", "type": "service_error"}},
    {"code": 400, "message": "no"},
    {"detail": "no"},
    {"detail": [{"loc": ["body"], "msg": "no"}]},
    {"code": 200},
    {},
]
STATUSES = [
    200,
    201,
    202,
    302,
    307,
    400,
    401,
    402,
    403,
    404,
    408,
    409,
    422,
    429,
    500,
    502,
    503,
    599,
]


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("payload", REFUSALS)
def test_an_id_means_bought(status: int, payload: dict[str, Any]) -> None:
    """Whatever the status, the code and the error beside it, a task with an id was bought."""
    data = {"task_id": "task-1", "status": "running", "progress": 3.5}
    task = read_submitted(answer({**payload, "data": data}, status), ORIGIN)
    expected = Task("task-1", "running", progress=3.5, model="grok-imagine", submitted_at=NOW)
    assert task == expected
    assert task.raw == data


@pytest.mark.parametrize("status", STATUSES)
def test_an_id_outside_of_data_counts_too(status: int) -> None:
    """An id that stands where the flat webhook body has it is an id all the same."""
    for payload in ({"task_id": "task-1"}, {"task_id": "task-1", "data": None, "detail": "no"}):
        assert read_submitted(answer(payload, status), ORIGIN).task_id == "task-1"


@pytest.mark.parametrize("task_id", [None, "", " ", 5, True, ["task-1"], {}])
@pytest.mark.parametrize("status", STATUSES)
def test_without_an_id_the_status_decides(status: int, task_id: object) -> None:
    """An id that cannot be read is none: HTTP 200 is then unreadable, and a refusal a refusal."""
    body = {"code": status, "data": {"task_id": task_id, "status": "running"}}
    with pytest.raises(APIError if status >= 400 else ResponseError):
        read_submitted(answer(body, status), ORIGIN)


@pytest.mark.parametrize("status", ["running", "failed", "finished", "queued"])
def test_a_task_begins_in_the_servers_own_state(status: str) -> None:
    """A submit may be answered with any state, `failed` included: it is the task's."""
    task = submitted({"task_id": "task-1", "status": status})
    assert task.status == status
    assert task.failed is (status == "failed")
    assert task.error_message is None


@pytest.mark.parametrize(
    ("status", "body"),
    [(None, None), (200, ""), (200, '{"code": 200, "data": {"task_id": "tas'), (200, "{}")],
)
def test_what_is_cut_before_the_end_of_the_id(status: int | None, body: str | None) -> None:
    """A body that broke off within the id, or never came, names no purchase."""
    assert read_cut_sale(status, body, ORIGIN) is None


def test_what_is_cut_after_the_object() -> None:
    """A body that is whole as JSON names a purchase, though the transfer was not."""
    body = json.dumps({"code": 200, "data": {"task_id": "task-1"}})
    task = read_cut_sale(200, body, ORIGIN)
    assert task is not None
    assert (task.task_id, task.model) == ("task-1", "grok-imagine")


# --- Other facts of real answers ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "credits_", "unexpected"),
    [
        (12.5, 12.5, []),
        (0, 0.0, []),
        (None, None, []),
        ("12", None, ["credits_amount (str)"]),
        (True, None, ["credits_amount (bool)"]),
        ([], None, ["credits_amount (list)"]),
    ],
)
def test_credits_of_a_task(sent: object, credits_: float | None, unexpected: list[str]) -> None:
    """What a task cost is read from `credits_amount`, and None where it is not told."""
    for task in (
        polled({"status": "running", "credits_amount": sent}),
        submitted({"task_id": "task-1", "credits_amount": sent}),
    ):
        assert task.credits == credits_
        assert task.credits is None or type(task.credits) is float
        assert surprises(task) == unexpected
    assert polled({"status": "running"}).credits is None
    assert polled({"status": "running", "credits": 5}).credits is None


@pytest.mark.parametrize("progress", [0, 0.0, 33.3, 100.0, 100])
def test_progress_is_a_number(progress: float) -> None:
    """Progress is sent as a float by real servers, and documented as an integer: both count."""
    task = polled({"status": "running", "progress": progress})
    assert task.progress == progress
    assert type(task.progress) is float


@pytest.mark.parametrize(
    "url",
    [
        "https://storage.vidgo.ai/a.mp3",
        "https://cdn.other.example/x/y?Signature=a%2Fb",
        "http://127.0.0.1:9000/a",
    ],
)
def test_files_are_of_any_kind_and_host(url: str) -> None:
    """Audio is a kind of file, links lead to any host, and two are as good as the four asked for."""
    files = [{"file_url": url, "file_type": "audio"}, {"file_url": url, "file_type": "video"}]
    task = polled({"status": "finished", "files": files, "credits_amount": 2.0})
    assert [(file.file_url, file.file_type) for file in task.files] == [
        (url, "audio"),
        (url, "video"),
    ]
    assert surprises(task) == []
