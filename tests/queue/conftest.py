"""One PostgreSQL for all tests of the queue, and a database of its own for each."""

import itertools
from collections.abc import AsyncIterator, Iterator

import anyio
import pytest

from tests.support.postgres import Postgres, execute, private_postgres
from vidgo_async.queue import BatchQueue
from vidgo_async.sandbox import Sandbox

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL that nobody stops."""
    with private_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def installed(postgres: Postgres) -> str:
    """The name of a database with all tables, to be copied."""
    execute(postgres.url(), "CREATE DATABASE installed")
    anyio.run(_install, postgres.url("installed"))
    return "installed"


@pytest.fixture
def empty_url(postgres: Postgres) -> str:
    """The address of a new database without tables."""
    return postgres.url(new_database(postgres, "template1"))


@pytest.fixture
def url(postgres: Postgres, installed: str) -> str:
    """The address of a new database with all tables."""
    return postgres.url(new_database(postgres, installed))


@pytest.fixture
async def queue(url: str) -> AsyncIterator[BatchQueue]:
    """An open queue."""
    async with BatchQueue(url) as queue:
        yield queue


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A fast server."""
    async with Sandbox(seconds=(0.1, 0.2)) as sandbox:
        yield sandbox


def new_database(postgres: Postgres, template: str) -> str:
    """Make a database; return its name."""
    name = f"test{next(_numbers)}"
    execute(postgres.url(), f"CREATE DATABASE {name} TEMPLATE {template}")
    return name


async def _install(url: str) -> None:
    async with BatchQueue(url) as queue:
        await queue.install()
