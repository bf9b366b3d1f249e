"""Many videos at once by one client, in its own environment: how much CPU does that take?

`python -m benchmarks.peers.generate_many MODULE URL TASKS INTERVAL [VARIANT]` prints what it took.
"""

import asyncio
import importlib
import sys

from benchmarks import stopwatch


def main(module: str, url: str, count: str, interval: str, variant: str = "default") -> None:
    """Create the client, and measure so many videos, all started at once."""
    client = importlib.import_module(f"benchmarks.peers.{module}")
    generate = client.create(url, float(interval), variant)
    stopwatch.measure(lambda: asyncio.gather(*(generate(number) for number in range(int(count)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
