"""A sandbox as a pytest fixture, for tests of any async plugin, and for those that are not async.

Name this module in your `conftest.py`, and the fixture in your test:

    pytest_plugins = ["vidgo_async.sandbox.fixtures"]

    def test_my_app(vidgo_sandbox):
        vidgo_sandbox.inject(answer(429))
        my_app.main()  # reads VIDGO_BASE_URL and VIDGO_API_KEY
        assert vidgo_sandbox.sold == 1

Only this module needs pytest, so nothing else imports it.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from vidgo_async.sandbox.server import Sandbox


@pytest.fixture
def vidgo_sandbox(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Sandbox]:
    """Run a sandbox in a thread, and set `VIDGO_BASE_URL` and `VIDGO_API_KEY` to it.

    Videos take milliseconds. To change settings of the sandbox, mark the test with
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
        yield sandbox
