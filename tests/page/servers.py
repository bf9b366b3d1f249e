"""A web server of a folder that tells what was asked for."""

import functools
import http.server
import threading
from typing import Any

from tests.page.folders import Folder
from tests.page.pages import TIMEOUT


class Server(http.server.ThreadingHTTPServer):
    """Serves a folder, and notes what was asked for."""

    daemon_threads = True

    def __init__(self, folder: Folder) -> None:
        self.paths: list[str] = []
        self._changed = threading.Condition()
        super().__init__(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder.path)))

    def note(self, path: str) -> None:
        with self._changed:
            self.paths.append(path)
            self._changed.notify()

    def wait_for(self, path: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: path in self.paths, TIMEOUT / 1000)

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://127.0.0.1:{self.server_port}/"

    @property
    def asked(self) -> list[str]:
        """Videos and pictures that were asked for."""
        return sorted(path for path in self.paths if path.startswith("0"))


class Handler(http.server.SimpleHTTPRequestHandler):
    """One request."""

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        assert isinstance(self.server, Server)
        self.server.note(self.path.strip("/"))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Say nothing."""
