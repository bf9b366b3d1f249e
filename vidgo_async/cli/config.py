"""Options from the environment and from `vidgo.toml`, here or in the user's folder of settings.

What is typed wins over `VIDGO_<OPTION>`, that over `vidgo.toml` in the working folder, and that over
the user's own.
"""

import os
from pathlib import Path
from typing import Any

from cyclopts import App, ArgumentCollection
from cyclopts.config import Env, Toml

NAME = "vidgo.toml"
"""A table for each command, such as `[generate]`, with its options."""


def configs() -> list[Any]:
    """Return where options come from, the first one first."""
    files = [Tables(Path(NAME)), Tables(_user_folder() / NAME)]
    return [Env("VIDGO_", command=False, show=False), *files]


class Tables(Toml):
    """A file of options; what is not in the table of a command is refused."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, must_exist=False, search_parents=False)

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        """Give a command the options of its table.

        Raises:
            ValueError: An option stands in no table.
        """
        loose = [key for key, value in self.config.items() if not isinstance(value, dict)]
        if loose:
            key = loose[0]
            msg = f"{self.path}: {key} stands in no table; put it under its command: [generate]"
            if "key" in key:
                msg = f"{self.path}: {key} is no option; the key comes from VIDGO_API_KEY"
            raise ValueError(msg)
        super().__call__(app, commands, arguments)


def _user_folder() -> Path:
    """Return where programs of this user keep their settings."""
    root = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA")
    return Path(root) / "vidgo" if root else Path.home() / ".config" / "vidgo"
