"""A disk that fills up in mid-batch: what cannot be saved is not bought."""

import errno
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.support.files import names_in
from tests.support.sessions import foxes, open_session
from vidgo_async import DownloadError, TaskFailedError, VidgoError
from vidgo_async._files.part_file import PartFile
from vidgo_async.sandbox import Sandbox, answer

pytestmark = pytest.mark.virtual_time

COUNT = 60
IN_FLIGHT = 4
FITS = 10


@pytest.fixture
def fill_up(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """Give a function that lets a step of downloads fail after the first ten files."""

    def patch(step: str, number: int) -> None:
        real = getattr(PartFile, step)
        files = set[PartFile]()

        def limited(part: PartFile, *arguments: Iterable[bytes]) -> None:
            files.add(part)
            if len(files) > FITS:
                raise OSError(number, os.strerror(number))
            real(part, *arguments)

        monkeypatch.setattr(PartFile, step, limited)

    return patch


@pytest.mark.parametrize("step", ["open", "write", "publish"])
@pytest.mark.parametrize(
    "name", ["EACCES", "EROFS", "ENOSPC", "EDQUOT", "EFBIG", "EPERM", "EIO", "ESTALE", "ENOENT"]
)
async def test_a_disk_that_fills_up_stops_a_batch(
    name: str, step: str, fill_up: Callable[[str, int], None], tmp_path: Path
) -> None:
    """Bought is what was in flight; each further request yields a copy of that error, unsent."""
    fill_up(step, getattr(errno, name))
    async with Sandbox(seconds=(1.0, 9.0)) as sandbox, open_session(sandbox) as vidgo:
        batch = vidgo.generate_many(foxes(COUNT), max_in_flight=IN_FLIGHT, download_to=tmp_path)
        outcomes = [outcome async for outcome in batch]
        sold, posts = sandbox.sold, sandbox.received["submit"]
        assert vidgo.unclaimed == ()
    assert sorted(outcome.index for outcome in outcomes) == list(range(COUNT))
    assert sum(outcome.ok for outcome in outcomes) == len(names_in(tmp_path)) == FITS
    assert sold == posts <= FITS + 2 * IN_FLIGHT  # in flight, and done but not saved yet
    errors: list[VidgoError] = [outcome.error for outcome in outcomes if outcome.error is not None]
    for error in errors:
        assert isinstance(error, DownloadError)
        assert isinstance(error.__cause__, OSError)
        assert error.__cause__.errno == getattr(errno, name)
    assert len({id(error) for error in errors}) == COUNT - FITS
    bought = [outcome for outcome in outcomes if outcome.task is not None]
    assert len(bought) == sold
    for outcome in outcomes:
        if outcome.task is None:
            assert outcome.error is not None
            assert outcome.error.task is None


@pytest.mark.parametrize("number", [errno.ENAMETOOLONG, errno.EEXIST])
async def test_another_error_of_the_disk_is_one_of_its_file(
    number: int, fill_up: Callable[[str, int], None], tmp_path: Path
) -> None:
    """What concerns one file stops no other."""
    fill_up("publish", number)
    async with Sandbox(seconds=(1.0, 2.0)) as sandbox, open_session(sandbox) as vidgo:
        batch = vidgo.generate_many(foxes(20), max_in_flight=IN_FLIGHT, download_to=tmp_path)
        outcomes = [outcome async for outcome in batch]
        assert sandbox.sold == 20
    assert sum(isinstance(outcome.error, DownloadError) for outcome in outcomes) == 10


async def test_a_link_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    """A host that gives no file is no reason to buy no other video."""
    async with (
        Sandbox(seconds=(1.0, 2.0), failure_rate=0.2) as sandbox,
        open_session(sandbox) as vidgo,
    ):
        sandbox.inject(answer(410), call="file", rate=0.5)
        batch = vidgo.generate_many(foxes(20), max_in_flight=IN_FLIGHT, download_to=tmp_path)
        errors = [outcome.error async for outcome in batch if outcome.error]
        assert sandbox.sold == 20
    assert {type(error) for error in errors} == {DownloadError, TaskFailedError}
