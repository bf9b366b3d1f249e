"""Options from the environment and from `vidgo.toml`, here or in the user's folder of settings.

What is typed wins over `VIDGO_<OPTION>`, that over `vidgo.toml` in the working folder, and that over
the user's own.
"""

import os
import tomllib
from pathlib import Path
from typing import Any

from cyclopts import App, ArgumentCollection, CycloptsError
from cyclopts.config import Env, Toml

NAME = "vidgo.toml"
"""A table for each command, such as `[generate]`, with its options."""


def configs() -> list[Any]:
    """Return where options come from, the first one first."""
    return [Env("VIDGO_", command=False, show=False), _read_files]


def _read_files(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    for folder in (Path(), _user_folder()):
        file = folder / NAME
        if file.is_file():
            _check(file)
            Toml(file, search_parents=False)(app, commands, arguments)


def _check(file: Path) -> None:
    """Refuse a file that cannot be read, or has options in no table.

    Raises:
        CycloptsError: So it is; the program prints it, and exits with 2.
    """
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CycloptsError(msg=f"{file}: {error}") from error
    for name, value in found.items():
        if not isinstance(value, dict):
            advice = "put it under its command, such as [generate]"
            if "key" in name:
                advice = "the key comes from VIDGO_API_KEY"
            raise CycloptsError(msg=f"{file}: {name} stands in no table; {advice}")


def _user_folder() -> Path:
    """Return where programs of this user keep their settings."""
    root = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA")
    return Path(root) / "vidgo" if root else Path.home() / ".config" / "vidgo"
