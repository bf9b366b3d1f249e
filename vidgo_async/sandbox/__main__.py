"""Serve the sandbox on a port: `python -m vidgo_async.sandbox`."""

import argparse
import asyncio
import contextlib
import shlex
from collections.abc import Sequence

from vidgo_async.sandbox.server import QUICK, REALISTIC, Sandbox

QUICK_POLLS = "0.1"
"""Seconds between two polls of a video that takes about one. For realistic videos the variable is
emptied, which means the default policy."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until Ctrl-C."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        sandbox = Sandbox(
            api_key=options.key,
            seed=options.seed,
            seconds=REALISTIC if options.realistic else QUICK,
            failure_rate=options.failure_rate,
            port=options.port,
        )
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(sandbox, "" if options.realistic else QUICK_POLLS))
    except (ValueError, OSError) as error:
        parser.error(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m vidgo_async.sandbox",
        description="Serve the Vidgo API on this machine, for tests: it costs nothing.",
    )
    parser.add_argument("--port", type=int, default=8765, help="default 8765; 0 is any free one")
    parser.add_argument("--seed", type=int, default=0, help="decides generation times and failures")
    parser.add_argument(
        "--realistic", action="store_true", help="take minutes for a video, as the real API does"
    )
    parser.add_argument(
        "--failure-rate",
        type=float,
        default=0.0,
        metavar="P",
        help="the share of the tasks that fail, 0 to 1",
    )
    parser.add_argument("--key", default="sandbox-key", help="the API key to accept")
    return parser


async def _serve(sandbox: Sandbox, poll_interval: str) -> None:
    async with sandbox:
        variables = {
            "VIDGO_BASE_URL": sandbox.url,
            "VIDGO_API_KEY": sandbox.api_key,
            "VIDGO_POLL_INTERVAL": poll_interval,
        }
        line = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
        # Flushed, so that a program that reads this through a pipe gets it at once.
        print(f"export {line}", flush=True)  # noqa: T201 - what this command is for
        await asyncio.Event().wait()


if __name__ == "__main__":
    main()
