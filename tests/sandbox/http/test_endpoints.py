"""Prove that the calls behave as the API documents them."""

import io
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import anyio
import pytest
from yarl import URL

from tests.support.raw_client import Reply, running
from vidgo_async.sandbox.media.mp4 import make_mp4

pytestmark = pytest.mark.virtual_time

DAY = 24 * 3600


def shape_a(reply: Reply) -> tuple[int, str]:
    """Check the body of an error of submit or balance, and return code and type."""
    body = reply.json
    assert set(body) == {"code", "error"}
    assert set(body["error"]) == {"message", "type"}
    assert body["code"] == reply.status
    return body["code"], body["error"]["type"]


def shape_b(reply: Reply) -> int:
    """Check the body of an error of any other call, and return the status."""
    assert set(reply.json) == {"detail"}
    assert isinstance(reply.json["detail"], str)
    return reply.status


# --- Submit ----------------------------------------------------------------------------------


async def test_submit_sells() -> None:
    """A submit is answered as documented, and the sold task holds what was sent."""
    async with running() as raw:
        fields = {"input": {"prompt": "a fox", "n": [1]}, "callback_url": "https://a.example/x"}
        data = (await raw.submit("grok-imagine", **fields)).data
        assert set(data) == {"task_id", "status", "created_time"}
        assert data["status"] == "not_started"
        assert re.fullmatch(r"task-unified-\d{10}-[a-z0-9]{8}", data["task_id"])
        [record] = raw.sandbox.tasks.values()
        assert record.task_id == data["task_id"]
        assert record.model == "grok-imagine"
        assert {"input": record.input, "callback_url": record.callback_url} == fields
        assert raw.sandbox.sold == 1


async def test_created_time_is_naive_and_eight_hours_ahead() -> None:
    """The time of creation has no zone and fits UTC+8, as the vendor's does."""
    async with running() as raw:
        created = datetime.fromisoformat((await raw.submit()).data["created_time"])
    assert created.tzinfo is None
    age = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=8) - created
    assert timedelta(0) <= age < timedelta(minutes=1)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"[" * 100_000, b"[]", b'{"model": 1}', b'{"model": ""}']
)
async def test_broken_submit_is_refused(body: bytes) -> None:
    """An invalid body is a validation error, and nothing is sold."""
    async with running() as raw:
        reply = await raw.call("POST", "/api/generate/submit", data=body)
        assert shape_a(reply) == (400, "validation_error")
        assert raw.sandbox.sold == 0


async def test_huge_submit_is_refused() -> None:
    """A body of more than a megabyte is refused in the shape of its call."""
    async with running() as raw:
        body = io.BytesIO(b" " * (2**20 + 1))
        reply = await raw.call("POST", "/api/generate/submit", data=body)
        assert shape_a(reply)[0] == 413


async def test_submit_without_credits_is_refused() -> None:
    """A submit without enough credits is refused, and nothing is sold."""
    async with running(credits=3.0) as raw:
        assert [(await raw.submit()).status for _ in range(2)] == [200, 200]
        assert shape_a(await raw.submit()) == (402, "insufficient_credits_error")
        assert raw.sandbox.sold == 2
        assert raw.sandbox.credits == 0.0


@pytest.mark.parametrize(
    ("method", "path", "has_shape_a"),
    [
        ("POST", "/api/generate/submit", True),
        ("GET", "/api/user/balance", True),
        ("GET", "/api/generate/status/x", False),
    ],
)
async def test_wrong_key_is_refused(method: str, path: str, has_shape_a: bool) -> None:
    """A wrong or missing key is refused before anything else is checked."""
    async with running() as raw:
        wrong = await raw.call(method, path, key="wrong")
        async with raw.http.request(method, raw.sandbox.url + path) as response:
            missing = Reply(response.status, response.headers, await response.read())
    for reply in (wrong, missing):
        if has_shape_a:
            assert shape_a(reply) == (401, "authentication_error")
        else:
            assert shape_b(reply) == 401


# --- Status ----------------------------------------------------------------------------------


async def test_task_runs_and_finishes() -> None:
    """A task waits, runs with growing progress, and finishes with a file."""
    async with running(seconds=(10.0, 10.0)) as raw:
        task_id = await raw.buy()
        polls = []
        for _ in range(12):
            polls.append((await raw.status(task_id)).data)
            await anyio.sleep(1)
        assert all(poll["task_id"] == task_id for poll in polls)
        states = [poll["status"] for poll in polls]
        assert states == sorted(states, key=["not_started", "running", "finished"].index)
        assert set(states) == {"not_started", "running", "finished"}
        progress = [poll["progress"] for poll in polls]
        assert all(type(each) is float for each in progress)
        assert all(before <= after for before, after in pairwise(progress))
        assert [poll["files"] for poll in polls if poll["status"] != "finished"] == [
            [] for state in states if state != "finished"
        ]
        url = f"{raw.sandbox.url}/files/{task_id}.mp4"
        assert polls[-1]["files"] == [{"file_url": url, "file_type": "video"}]
        assert polls[-1]["error_message"] is None


async def test_finished_time_is_naive_and_utc() -> None:
    """The time of the end is null until then, has no zone and is UTC, unlike that of creation."""
    async with running(seconds=(3600.0, 3600.0)) as raw:
        task_id = await raw.buy()
        task = (await raw.status(task_id)).data
        assert task["finished_time"] is None
        await anyio.sleep(3601)
        task = (await raw.status(task_id)).data
    created, finished = (
        datetime.fromisoformat(task[name]) for name in ("created_time", "finished_time")
    )
    assert finished.tzinfo is None
    # The loop's clock jumped over that hour, the wall clock did not.
    assert finished - (created - timedelta(hours=8)) == timedelta(hours=1)


@pytest.mark.parametrize(("failure_rate", "cost"), [(0.0, 0.25), (1.0, 0)])
async def test_cost_of_a_task(failure_rate: float, cost: float) -> None:
    """A status answer has what the task costs, with decimals, and 0 once it failed."""
    async with running(seconds=(10.0, 10.0), failure_rate=failure_rate, price=0.25) as raw:
        task_id = await raw.buy()
        assert (await raw.status(task_id)).data["credits_amount"] == 0.25
        await anyio.sleep(11)
        assert (await raw.status(task_id)).data["credits_amount"] == cost


async def test_failed_task_is_http_200() -> None:
    """A failed task is HTTP 200 with a message, and its credits come back."""
    async with running(failure_rate=1.0, credits=1.5) as raw:
        task_id = await raw.buy()
        assert raw.sandbox.credits == 0.0
        task = await raw.ended(task_id)
        assert (task["status"], task["files"]) == ("failed", [])
        assert task["error_message"]
        assert raw.sandbox.credits == 1.5
        assert (await raw.balance()).data["credits_amount"] == 1.5


@pytest.mark.parametrize("task_id", ["unknown", "a%2Fb", "a/b", "a%252Fb", "..", "%ff", "%20"])
async def test_unknown_task_is_not_found(task_id: str) -> None:
    """Any unknown id, however it is written, is a status call that finds nothing."""
    async with running() as raw:
        assert shape_b(await raw.status(task_id)) == 404
        assert raw.sandbox.received == {"status": 1}


async def test_balance() -> None:
    """The balance is what is left after the sales."""
    async with running(credits=10.0, price=2.5) as raw:
        await raw.buy()
        data = (await raw.balance()).data
    assert set(data) == {"email", "credits_amount"}
    assert data["credits_amount"] == 7.5


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/api/generate/status/", 404),
        ("POST", "/api/unheard/of", 404),
        ("GET", "/api/generate/submit", 405),
        ("DELETE", "/api/generate/status/x", 405),
    ],
)
async def test_other_requests_are_refused(method: str, path: str, status: int) -> None:
    """A path or method outside the API is refused in its own error shape, and counted."""
    async with running() as raw:
        assert shape_b(await raw.call(method, path)) == status
        assert raw.sandbox.received == {"unknown": 1}


# --- Files -----------------------------------------------------------------------------------


async def test_file_is_a_video_of_the_shape_asked_for() -> None:
    """A file is an MP4 of the aspect ratio and length asked for, served without a key."""
    async with running() as raw:
        task = await raw.ended(await raw.buy(aspect_ratio="2:3", duration=2))
        reply = await raw.file(task["files"][0]["file_url"])
        assert reply.status == 200
        assert reply.headers["Content-Type"] == "video/mp4"
        assert int(reply.headers["Content-Length"]) == len(reply.body)
        assert reply.body == make_mp4(144, 216, 2, seed=0)


async def test_neighbours_look_different() -> None:
    """Two equal requests give two different videos."""
    async with running() as raw:
        tasks = [await raw.ended(await raw.buy(duration=1)) for _ in range(2)]
        bodies = [(await raw.file(task["files"][0]["file_url"])).body for task in tasks]
        assert bodies[0] != bodies[1]


async def test_file_lives_from_the_end_for_a_day() -> None:
    """A file is not found before its task has finished, nor a day after."""
    async with running(seconds=(10.0, 10.0)) as raw:
        task_id = await raw.buy()
        url = f"{raw.sandbox.url}/files/{task_id}.mp4"
        assert shape_b(await raw.file(url)) == 404
        await anyio.sleep(11)
        assert (await raw.file(url)).status == 200
        await anyio.sleep(DAY)
        assert shape_b(await raw.file(url)) == 404
        assert (await raw.status(task_id)).data["files"][0]["file_url"] == url


@pytest.mark.parametrize(
    ("headers", "origin"),
    [
        ({"Host": "vidgo.test:8443"}, "http://vidgo.test:8443"),
        ({"Host": "vidgo.test", "X-Forwarded-Proto": "https"}, "https://vidgo.test"),
        (
            {"Host": "vidgo.test:8443", "X-Forwarded-Proto": "HTTPS, http"},
            "https://vidgo.test:8443",
        ),
        ({"Host": "vidgo.test", "X-Forwarded-Proto": "gopher"}, "http://vidgo.test"),
        ({"Host": "inner.test", "X-Forwarded-Host": "vidgo.test, a.test"}, "http://vidgo.test"),
        ({"Host": "vidgo.test", "X-Forwarded-Host": ""}, "http://vidgo.test"),
    ],
)
async def test_links_have_the_origin_that_the_client_called(
    headers: dict[str, str], origin: str
) -> None:
    """Links to videos and uploads have the client's scheme and host, also behind a proxy."""
    async with running() as raw:
        task_id = await raw.buy()
        await raw.ended(task_id)
        headers["Authorization"] = f"Bearer {raw.sandbox.api_key}"
        status_url = f"{raw.sandbox.url}/api/generate/status/{task_id}"
        async with raw.http.get(status_url, headers=headers) as response:
            [file] = (await response.json())["data"]["files"]
        assert file["file_url"] == f"{origin}/files/{task_id}.mp4"
        upload_url = f"{raw.sandbox.url}/api/common/upload/url"
        fields = {"file_url": "https://a.example/x.png"}
        async with raw.http.post(upload_url, headers=headers, json=fields) as response:
            upload = (await response.json())["data"]
        assert upload["file_url"] == f"{origin}/files/{upload['file_id']}.png"
        assert upload["download_url"] == upload["file_url"]


@pytest.mark.parametrize("link_lifetime", [None, 60.0])
async def test_link_of_a_tls_proxy_works(link_lifetime: float | None) -> None:
    """A link that a proxy ends TLS for is found, signed or not, when the proxy passes it on."""
    async with running(link_lifetime=link_lifetime) as raw:
        task_id = await raw.buy()
        await raw.ended(task_id)
        proxied = {"Host": "vidgo.test", "X-Forwarded-Proto": "https"}
        headers = {**proxied, "Authorization": f"Bearer {raw.sandbox.api_key}"}
        status_url = f"{raw.sandbox.url}/api/generate/status/{task_id}"
        async with raw.http.get(status_url, headers=headers) as response:
            link = URL((await response.json())["data"]["files"][0]["file_url"])
        assert link.origin() == URL("https://vidgo.test")
        passed_on = URL(raw.sandbox.url).join(link.relative())
        async with raw.http.get(passed_on, headers=proxied) as response:
            assert response.status == 200


async def test_unknown_file_is_not_found() -> None:
    """A link that was never handed out is not found."""
    async with running() as raw:
        assert shape_b(await raw.file(raw.sandbox.url + "/files/x.mp4")) == 404
