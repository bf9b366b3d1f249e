"""`sandbox`: a server for tests, on a port."""

from typing import Annotated

from cyclopts import Parameter


def sandbox(
    *,
    port: Annotated[int, Parameter(help="0 is any free one.")] = 8765,
    seed: Annotated[int, Parameter(help="Decides generation times and failures.")] = 0,
    realistic: Annotated[
        bool,
        Parameter(
            help="Take minutes for a video, as the real API does.", negative=(), show_default=False
        ),
    ] = False,
    failure_rate: Annotated[float, Parameter(help="The share of tasks that fail, 0 to 1.")] = 0.0,
) -> None:
    """Serve the Vidgo API on this machine until Ctrl-C: it costs nothing."""
    from vidgo_async.sandbox.__main__ import main  # noqa: PLC0415 - late: a web server

    words = [f"--port={port}", f"--seed={seed}", f"--failure-rate={failure_rate}"]
    main([*words, *(["--realistic"] if realistic else [])])
