"""What the library logs: failures that it tries again, and all of it with `--verbose`.

A server that cannot be reached, or fails, is printed at once, so that a wait has a known reason. The
library tries again by itself. It logs each delay after a failure at DEBUG, with the error among the
record's arguments.
"""

import contextlib
import logging
import math
from collections.abc import Callable, Generator

from vidgo_async._core.errors import ServerError, TransportError
from vidgo_async.cli.outputs.console import Console

PAUSE = 60.0
"""Seconds after a line in which no other is printed."""


class RetryPrinter(logging.Handler):
    """Prints the first failure at once, and later ones at most once a minute."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        super().__init__()
        self._console = console
        self._clock = clock
        self._next_at = -math.inf

    def emit(self, record: logging.LogRecord) -> None:
        """Print the error that a record names, if any."""
        if record.levelno != logging.DEBUG or self._clock() < self._next_at:
            return
        for value in record.args or ():
            if isinstance(value, TransportError | ServerError):
                self._next_at = self._clock() + PAUSE
                self._console.error(f"trying again: {value.without_task()}")


class LogPrinter(logging.Handler):
    """Prints each record."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        self._console.error(f"{record.levelname.lower()}: {record.getMessage()}")


@contextlib.contextmanager
def printed_logs(console: Console, clock: Callable[[], float]) -> Generator[None]:
    """Print them in the body of `with`; what else is logged is in the report."""
    logger = logging.getLogger("vidgo_async")
    level = logger.level
    printer = LogPrinter(console) if console.is_verbose else RetryPrinter(console, clock)
    logger.addHandler(printer)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(printer)
