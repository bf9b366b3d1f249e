"""Options from the environment and from `vidgo.toml`, here or in the user's folder of settings.

What is typed wins over `VIDGO_<OPTION>`, that over `vidgo.toml` in the working folder, and that over
the user's own.
"""

import difflib
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from cyclopts import App, ArgumentCollection, CycloptsError
from cyclopts.config import Env, Toml

KEYS = frozenset({"key", "api_key", "api-key", "VIDGO_API_KEY"})
"""What a secret would be called."""
NAME = "vidgo.toml"
"""A table for each command, such as `[generate]`, with its options."""


def configs(tables: Sequence[str]) -> list[Any]:
    """Return where options come from, the first one first.

    Args:
        tables: The names of the commands.
    """

    def read(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        for folder in (Path(), _user_folder()):
            file = folder / NAME
            if file.is_file():
                _check(file, tables)
                Toml(file, search_parents=False)(app, commands, arguments)

    return [Env("VIDGO_", command=False, show=False), read]


def _check(file: Path, tables: Sequence[str]) -> None:
    """Refuse a file that cannot be read, or has what belongs to no command.

    Raises:
        CycloptsError: So it is; the program prints it, and exits with 2.
    """
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CycloptsError(msg=f"{file}: {error}") from error
    for name, value in found.items():
        options = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
        if KEYS.intersection([name, *options]):
            raise CycloptsError(msg=f"{file}: the key is no option; it comes from VIDGO_API_KEY")
        if not isinstance(value, dict):
            advice = "put it under its command, such as [generate]"
            raise CycloptsError(msg=f"{file}: {name} stands in no table; {advice}")
        if name not in tables:
            near = difflib.get_close_matches(name, tables, 1, 0.0)
            msg = f"{file}: [{name}] is no command; did you mean [{near[0]}]?"
            raise CycloptsError(msg=msg)


def _user_folder() -> Path:
    """Return where programs of this user keep their settings."""
    root = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA")
    return Path(root) / "vidgo" if root else Path.home() / ".config" / "vidgo"
