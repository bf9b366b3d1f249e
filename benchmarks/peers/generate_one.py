"""One video by one client, in its own environment: what does the caller get?

`python -m benchmarks.peers.generate_one MODULE URL VARIANT TIMES` generates so many videos, one
after the other, with the same client but each in an `asyncio.run` of its own. It prints how the
last one ended.
"""

import asyncio
import importlib
import sys

INTERVAL = 0.1


def main(module: str, url: str, variant: str, times: str) -> None:
    """Print `done`, or the name of the error."""
    client = importlib.import_module(f"benchmarks.peers.{module}")
    generate = client.create(url, INTERVAL, variant)
    end = ""
    for number in range(int(times)):
        try:
            asyncio.run(generate(number))
        except Exception as error:  # noqa: BLE001 - any error is a result here
            end = type(error).__name__
        else:
            end = "done"
    print(end)


if __name__ == "__main__":
    main(*sys.argv[1:])
