"""A sandbox as a pytest fixture, for tests of any async plugin, and for those that are not async.

Name this module in your `conftest.py`, and the fixture in your test:

    pytest_plugins = ["vidgo_async.sandbox.fixtures"]

    def test_my_app(vidgo_sandbox):
        vidgo_sandbox.inject(answer(429))
        my_app.main()  # its `VidgoSession()` finds the sandbox
        assert vidgo_sandbox.sold == 1

Only this module needs pytest, so nothing else imports it.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from vidgo_async.sandbox.server import Sandbox

POLL_INTERVAL = 0.05
"""Seconds between two polls of a task that takes as long at most."""


@pytest.fixture
def vidgo_sandbox(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Sandbox]:
    """Run a sandbox in a thread, and set `VIDGO_BASE_URL` and `VIDGO_API_KEY` to it.

    Videos take milliseconds, and `VIDGO_POLL_INTERVAL` is set so that sessions notice it. To change settings of the sandbox, mark the test with
    `@pytest.mark.parametrize("vidgo_sandbox", [{"credits": 3.0}], indirect=True)`.
    Everything but `refusing` may be used from the test's thread.
    """
    settings: dict[str, Any] = {"seconds": (0.01, 0.05), **getattr(request, "param", {})}
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Sandbox(**settings)) as sandbox,
    ):
        monkeypatch.setenv("VIDGO_BASE_URL", sandbox.url)
        monkeypatch.setenv("VIDGO_API_KEY", sandbox.api_key)
        monkeypatch.setenv("VIDGO_POLL_INTERVAL", str(POLL_INTERVAL))
        yield sandbox
