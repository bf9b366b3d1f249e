"""One video by one client, in its own environment: what does its caller see?

`python -m benchmarks.peers.errand MODULE URL FORM TIMES` makes it so many times with the same
client, each in an `asyncio.run` of its own, and prints how the last one ended.
"""

import asyncio
import importlib
import sys

INTERVAL = 0.1


def main(module: str, url: str, form: str, times: str) -> None:
    """Print `done`, or the name of the error."""
    make = importlib.import_module(f"benchmarks.peers.{module}").maker(url, INTERVAL, form)
    end = ""
    for number in range(int(times)):
        try:
            asyncio.run(make(number))
        except Exception as error:  # noqa: BLE001 - whatever it raises is what we ask for
            end = type(error).__name__
        else:
            end = "done"
    print(end)


if __name__ == "__main__":
    main(*sys.argv[1:])
