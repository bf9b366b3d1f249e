"""The file of a journal: what is refused, and how much shares a commit."""

import asyncio
import os
import sqlite3
import stat
from pathlib import Path
from typing import Any

import anyio.lowlevel
import pytest

from vidgo_async import Journal, JournalError
from vidgo_async.journal import store
from vidgo_async.journal.store import Store


async def refused(path: Path) -> str:
    """Return why a journal is not opened."""
    with pytest.raises(JournalError) as caught:
        async with Journal(path):
            raise AssertionError
    assert str(path) in str(caught.value)
    return str(caught.value)


async def test_a_file_that_is_no_journal(tmp_path: Path) -> None:
    """A text, and a database of somebody else's, are refused and left as they are."""
    text = tmp_path / "notes.txt"
    text.write_text("my notes, of more than a hundred bytes. " * 100)
    assert "no journal" in await refused(text)
    assert text.read_text().startswith("my notes")
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE fox (id)")
    database.close()
    assert "no journal" in await refused(other)


async def test_an_empty_file_becomes_one(tmp_path: Path) -> None:
    """A file that a crash left empty, or `touch` made, is used."""
    path = tmp_path / "foxes.vidgo"
    path.touch()
    async with Journal(path) as journal:
        assert await journal.entries() == []
    async with Journal(path) as journal:
        assert await journal.entries() == []


async def test_a_newer_format(tmp_path: Path) -> None:
    """It is refused, and the error says what to do."""
    path = tmp_path / "foxes.vidgo"
    async with Journal(path):
        pass
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    assert "update vidgo_async" in await refused(path)


async def test_a_damaged_file(tmp_path: Path) -> None:
    """SQLite's word for it is passed on."""
    path = tmp_path / "foxes.vidgo"
    async with Journal(path):
        pass
    content = bytearray(path.read_bytes())
    content[100:4096] = os.urandom(3996)
    path.write_bytes(content)
    assert "damaged" in await refused(path)


async def test_in_use(tmp_path: Path) -> None:
    """One at a time; after closing the next may open it, as may the same object."""
    path = tmp_path / "foxes.vidgo"
    journal = Journal(path)
    async with journal:
        assert "in use" in await refused(path)
        with pytest.raises(JournalError, match="open already"):
            await journal.__aenter__()
    async with journal:
        pass


async def test_places_where_none_can_be(tmp_path: Path) -> None:
    """A missing folder and a folder in the file's place are said."""
    assert "No such file" in await refused(tmp_path / "missing" / "foxes.vidgo")
    (tmp_path / "folder").mkdir()
    assert "cannot be opened" in await refused(tmp_path / "folder")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_a_read_only_folder(tmp_path: Path) -> None:
    """It is said before anything is sent."""
    os.chmod(tmp_path, 0o500)  # noqa: PTH101
    assert "Permission denied" in await refused(tmp_path / "foxes.vidgo")


async def test_a_drive_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where WAL, or locks, do not work, the error asks for a local disk."""

    class Remote(sqlite3.Connection):
        def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
            if "journal_mode" in statement:
                return super().execute("SELECT 'delete'")
            return super().execute(statement, *arguments)

    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: real(*a, factory=Remote, **k))
    assert "local disk" in await refused(tmp_path / "foxes.vidgo")


async def test_locks_that_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is where taking the lock fails in another way than being held."""

    class Remote(sqlite3.Connection):
        def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
            if "EXCLUSIVE" in statement:
                error = sqlite3.OperationalError("locking protocol")
                error.sqlite_errorcode = sqlite3.SQLITE_PROTOCOL
                raise error
            return super().execute(statement, *arguments)

    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: real(*a, factory=Remote, **k))
    assert "local disk" in await refused(tmp_path / "foxes.vidgo")


def modes_in(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


async def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    """Prompts are private: the file and those beside it have mode 0600."""
    async with Journal(tmp_path / "foxes.vidgo") as journal:
        await journal.entries()
        modes = modes_in(tmp_path)
    assert len(modes) >= 3
    assert set(modes.values()) == {0o600}


async def test_a_full_disk(tmp_path: Path) -> None:
    """What cannot be written is a `JournalError`, and what shared its commit too."""
    opened = Store(tmp_path / "foxes.vidgo")
    await opened.open()
    try:
        await opened.run(lambda database: database.execute("PRAGMA max_page_count = 1").fetchall())

        def fill(database: sqlite3.Connection) -> None:
            database.execute("CREATE TABLE big (text)")
            database.execute("INSERT INTO big VALUES (?)", ("x" * 1_000_000,))

        with pytest.raises(JournalError, match="disk is full"):
            await opened.run(fill)
        tables = "SELECT count(*) FROM sqlite_master WHERE name = 'big'"
        assert await opened.run(lambda database: database.execute(tables).fetchone()) == (0,)
    finally:
        await opened.close()


async def test_what_comes_meanwhile_shares_a_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds of writes at once take a few commits; one that was cancelled harms no other."""
    commits: list[int] = []
    real = store.Store._transact

    def count(self: Store, works: list[Any]) -> list[Any]:
        commits.append(len(works))
        return real(self, works)

    monkeypatch.setattr(store.Store, "_transact", count)
    opened = Store(tmp_path / "foxes.vidgo")
    await opened.open()
    results: list[int] = []

    async def write(number: int) -> None:
        results.append(
            await opened.run(lambda database: database.execute("SELECT ?", (number,)).fetchone()[0])
        )

    tasks = [asyncio.create_task(write(number)) for number in range(300)]
    await anyio.lowlevel.checkpoint()
    tasks[150].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await opened.close()

    assert sorted(results) == [number for number in range(300) if number != 150]
    assert sum(commits) == 300
    assert len(commits) <= 4


async def test_a_journal_that_is_not_open(tmp_path: Path) -> None:
    """Its use is refused, before and after."""
    journal = Journal(tmp_path / "foxes.vidgo")
    with pytest.raises(JournalError, match="async with"):
        await journal.entries()
    async with journal:
        pass
    with pytest.raises(JournalError, match="async with"):
        await journal.entries()
    await journal.aclose()
    assert "foxes.vidgo" in repr(journal)


async def test_what_cannot_be_written_fails_alone(tmp_path: Path) -> None:
    """A part of a commit that raises takes back what it did, and no other part."""
    opened = Store(tmp_path / "foxes.vidgo")
    await opened.open()

    def half(database: sqlite3.Connection) -> None:
        database.execute("CREATE TABLE half (id)")
        raise UnicodeEncodeError("utf-8", "x", 0, 1, "no text")

    def whole(database: sqlite3.Connection) -> None:
        database.execute("CREATE TABLE whole (id)")

    results = await asyncio.gather(
        opened.run(half), opened.run(whole), opened.run(half), return_exceptions=True
    )
    tables = "SELECT name FROM sqlite_master WHERE name IN ('half', 'whole')"
    found = await opened.run(lambda database: database.execute(tables).fetchall())
    await opened.close()

    assert [type(result) for result in results] == [
        UnicodeEncodeError,
        type(None),
        UnicodeEncodeError,
    ]
    assert found == [("whole",)]


async def test_a_journal_that_cannot_begin_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails after the file was opened leaves it for the next."""
    path = tmp_path / "foxes.vidgo"

    async def fail(self: Store, work: Any) -> None:
        raise JournalError(f"cannot use the journal {path}: the disk is full")

    monkeypatch.setattr(Store, "run", fail)
    assert "disk is full" in await refused(path)
    monkeypatch.undo()
    async with Journal(path) as journal:
        assert await journal.entries() == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (sqlite3.SQLITE_BUSY, "in_use"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "in_use"),
        (sqlite3.SQLITE_IOERR_LOCK, "no_locks"),
        (sqlite3.SQLITE_IOERR_READ, None),
        (sqlite3.SQLITE_FULL, None),
    ],
)
def test_only_locks_that_fail_say_so(tmp_path: Path, code: int, reason: str | None) -> None:
    """A file that another program locks for a moment is in use, not on a bad drive."""
    error = sqlite3.OperationalError("no")
    error.sqlite_errorcode = code
    assert store._failed(tmp_path, error).reason == reason
