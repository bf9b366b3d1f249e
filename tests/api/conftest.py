"""Fixtures of the tests of the limiter."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.support.limiter import Requests, polite


@pytest.fixture
async def requests() -> AsyncIterator[Requests]:
    """Give requests on a limiter of one slot; they are gone afterwards."""
    requests = Requests(polite())
    yield requests
    for task in requests.tasks.values():
        task.cancel()
    await asyncio.wait(requests.tasks.values())
