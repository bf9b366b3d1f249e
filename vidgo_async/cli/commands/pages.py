"""`page`: the page of a folder, built anew."""

import functools
import webbrowser
from pathlib import Path
from typing import Annotated

import anyio
from cyclopts import Parameter

from vidgo_async.cli.inputs.arguments import usage_errors
from vidgo_async.cli.options import Common, Open
from vidgo_async.cli.outputs.console import Console


def page(
    folder: Annotated[Path, Parameter(help="A folder that videos were saved in.")] = Path(),
    /,
    *,
    open: Open = False,  # noqa: A002 - the option's name
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """Write the page to look through a folder of videos."""
    from vidgo_async.page import write_page  # noqa: PLC0415 - late: `--help` needs no page

    with usage_errors():
        file = anyio.run(functools.partial(write_page, folder))
    Console(common).result(str(file), {"page": str(file)})
    if open:
        webbrowser.open(file.absolute().as_uri())
    return 0
