"""A complete Vidgo server for one machine, to test apps against.

It responds like the real one and sends real videos, takes about a second a video and costs nothing,
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

`sandbox.inject(fault, call="submit")` applies a fault to the next submit. README.md in this folder
lists all faults, the settings of `Sandbox`, and what it records for tests to assert.

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
from vidgo_async.sandbox.state.callbacks import CallbackAttempt, Callbacks
from vidgo_async.sandbox.state.tasks import SoldTask
from vidgo_async.sandbox.state.uploads import Upload

__all__ = [
    "DROPPED",
    "REALISTIC",
    "Call",
    "CallbackAttempt",
    "Callbacks",
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
