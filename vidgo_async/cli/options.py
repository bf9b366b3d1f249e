"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

Out = Annotated[Path, Parameter(help="The folder to save into; made if missing.")]
MaxInFlight = Annotated[int, Parameter(help="Videos in the making at once.")]
Timeout = Annotated[float, Parameter(help="Seconds to wait for each task.")]
Model = Annotated[str, Parameter(help="A model id.")]
Settings = Annotated[
    list[str] | None,
    Parameter(name="--set", help="A parameter of the model, key=value.", negative=()),
]
