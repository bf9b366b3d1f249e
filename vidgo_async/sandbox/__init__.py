"""A complete Vidgo server for one machine, to test apps against.

It responds like the real one and sends real videos, takes milliseconds and costs nothing,
fails in any way that a test asks for, and records what it sold:

    from vidgo_async import GrokImagine, SubmissionUnknownError, VidgoSession
    from vidgo_async.sandbox import Sandbox, reset_after

    async def test_lost_answer_buys_once():
        async with Sandbox(seconds=(0.01, 0.02)) as sandbox:
            sandbox.inject(reset_after, call="submit")
            async with VidgoSession(base_url=sandbox.url, api_key=sandbox.api_key) as vidgo:
                with pytest.raises(SubmissionUnknownError):
                    await vidgo.submit(GrokImagine(prompt="a fox in snow"))
            assert sandbox.sold == 1

An app that reads `VIDGO_BASE_URL` and `VIDGO_API_KEY` needs no change at all:

    monkeypatch.setenv("VIDGO_BASE_URL", sandbox.url)
    monkeypatch.setenv("VIDGO_API_KEY", sandbox.api_key)

With pytest, `pytest_plugins = ["vidgo_async.sandbox.fixtures"]` in a `conftest.py` adds the
fixture `vidgo_sandbox`, which does all that. The server runs in its own thread, so that tests need
not be async.

`sandbox.inject(fault, call="submit")` applies a fault to the next submit. There are these:

- Nothing is sold by `reset_before`, `hang`, `endless()`, `answer(...)` and `refusal(...)`.
  `answer` sends any response: `answer(502, "<h1>Bad Gateway")`, `answer(200, [])`, `answer(200,
  b"{", {"Content-Encoding": "gzip"})`, `answer(307, headers={"Location":
  "http://other.example/"})`. `refusal(429, "D", headers={"Retry-After": "-1"})` refuses in any of
  the API's error shapes, and `refusal(402, inside_200=True)` does so with HTTP 200.
- The task is sold, and the response is not as it should be: `reset_after`, `hang_after`,
  `cut_headers`, `cut_body`, `cut_at(1000)`, `stall_at(1000)`, `drip(size=100, pause=1.0)`,
  `chunked`, `wrong_length(-1)`, `gzipped`, `with_headers({"ETag": DROPPED})`,
  `changed(status="dreaming", files=None, progress=DROPPED)`, and `after(fault)` for any of the
  first kind, such as `after(answer(502))` for a gateway that lost the response.
- For a submit, `changed(task_id=None)` loses the id, `changed(status="running")` changes what is
  answered, and `failed_at_once()` sells a task that has failed already.
- For a poll, `changed` also takes functions of the real value: `changed(files=lambda files:
  files[1:])` has a file too few, and `changed(files=lambda files: [{**file, "file_type": "audio"}
  for file in files])` calls each file audio.
- For `call="file"` there are `redirected` to another host, `without_ranges`, `shifted(1)` to
  another range, `replaced` by another file, and `corrupted`; `answer(200, "<html>")`,
  `answer(200, {"error": "not found"})` and `answer(200)` are no file at all.
- `both(cut_at(1000), without_ranges)` applies two of those at once.
- `slow(60)` handles the request late, and `after(slow(60))` only responds late. Any coroutine
  function like these is a fault too.
- `async with sandbox.refusing():` is a server that is down; `Sandbox(keepalive=0.2)` closes idle
  connections soon.

A fault applies to the next request of the call; `times=3` is the next three, `times=None` all,
`skip=2` not the first two, `task_id=...` only this task's, and `rate=0.1` about one in ten, the
same ones for the same seed.

What to assert: `sandbox.sold`, `sandbox.tasks` and `sandbox.credits` are the account,
`sandbox.uploads` the uploaded files, `sandbox.received` counts the requests, and `sandbox.calls`
tells what became of each: its name, task, fault and status, whether it was `sold`, and the
headers of uploads and downloads.

`Sandbox(failure_rate=0.2, seed=7)` fails the same tasks in each run, and `Sandbox(credits=3)` runs
out of credits after two. The links of `Sandbox(link_lifetime=60)` expire after a minute, and each
poll gives a new one; those of `Sandbox(link_delay=5.0)` are not found for the first five seconds
after the end of the task; the files of `Sandbox(file_size=2**30)` have a gigabyte.
`Sandbox(uploads_per_minute=None)` takes any number of uploads.

Uploads work as at the real server, with three exceptions. `upload/url` fetches nothing: the
address of an upload of this sandbox gives that file, and any other address one pixel. Of a file of
more than 8 MiB only size and checksum are kept, and its link does not work. And JSON with a file
in it may have 32 MiB.

`asyncio.Runner(loop_factory=jumping_loop)` runs a sandbox and its client on a clock that jumps
over waits, so that minutes of polling take milliseconds.

`python -m vidgo_async.sandbox` serves it on a port, for apps that run elsewhere.
"""

from vidgo_async.sandbox.clock import jumping_loop
from vidgo_async.sandbox.faults.connections import (
    Fault,
    after,
    both,
    chunked,
    cut_at,
    cut_body,
    cut_headers,
    drip,
    endless,
    hang,
    hang_after,
    reset_after,
    reset_before,
    slow,
    stall_at,
    wrong_length,
)
from vidgo_async.sandbox.faults.files import (
    corrupted,
    redirected,
    replaced,
    shifted,
    without_ranges,
)
from vidgo_async.sandbox.faults.responses import (
    DROPPED,
    Shape,
    answer,
    changed,
    failed_at_once,
    gzipped,
    refusal,
    with_headers,
)
from vidgo_async.sandbox.http.calls import Call
from vidgo_async.sandbox.server import REALISTIC, Sandbox
from vidgo_async.sandbox.state.tasks import SoldTask
from vidgo_async.sandbox.state.uploads import Upload

__all__ = [
    "DROPPED",
    "REALISTIC",
    "Call",
    "Fault",
    "Sandbox",
    "Shape",
    "SoldTask",
    "Upload",
    "after",
    "answer",
    "both",
    "changed",
    "chunked",
    "corrupted",
    "cut_at",
    "cut_body",
    "cut_headers",
    "drip",
    "endless",
    "failed_at_once",
    "gzipped",
    "hang",
    "hang_after",
    "jumping_loop",
    "redirected",
    "refusal",
    "replaced",
    "reset_after",
    "reset_before",
    "shifted",
    "slow",
    "stall_at",
    "with_headers",
    "without_ranges",
    "wrong_length",
]
