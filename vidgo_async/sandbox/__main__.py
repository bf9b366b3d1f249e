"""Serve the sandbox on a port: `python -m vidgo_async.sandbox`."""

import argparse
import asyncio
import contextlib
import shlex
from collections.abc import Sequence

from vidgo_async.sandbox.server import QUICK, REALISTIC, Sandbox


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until Ctrl-C."""
    parser = _parser()
    wanted = parser.parse_args(arguments)
    try:
        sandbox = Sandbox(
            api_key=wanted.key,
            seed=wanted.seed,
            seconds=REALISTIC if wanted.realistic else QUICK,
            failure_rate=wanted.failure_rate,
            port=wanted.port,
        )
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(sandbox))
    except (ValueError, OSError) as error:
        parser.error(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m vidgo_async.sandbox",
        description="Serve the Vidgo API on this machine, with made-up videos and credits.",
    )
    parser.add_argument("--port", type=int, default=8765, help="default 8765; 0 takes a free one")
    parser.add_argument("--seed", type=int, default=0, help="decides the times and the failures")
    parser.add_argument(
        "--realistic", action="store_true", help="let videos take minutes, as real ones do"
    )
    parser.add_argument(
        "--failure-rate", type=float, default=0.0, metavar="P", help="how many fail, 0 to 1"
    )
    parser.add_argument("--key", default="sandbox-key", help="the API key to accept")
    return parser


async def _serve(sandbox: Sandbox) -> None:
    async with sandbox:
        key = shlex.quote(sandbox.api_key)
        # Flushed, so that a program that started this one learns the port at once.
        print(  # noqa: T201 - what this command is for
            f"export VIDGO_BASE_URL={sandbox.url} VIDGO_API_KEY={key}", flush=True
        )
        await asyncio.Event().wait()


if __name__ == "__main__":
    main()
