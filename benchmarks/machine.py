"""The machine and the versions that a figure was measured with."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("vidgo_async", "aiohttp", "anyio", "attrs", "cattrs")


def describe() -> str:
    """Return the machine, its CPUs and the versions, in three lines."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return "\n".join(
        (
            f"machine    {platform.system()} {platform.release()}, {platform.machine()}",
            f"CPUs       {os.cpu_count()} x {_processor()}",
            f"versions   {', '.join([python, *(f'{name} {version(name)}' for name in LIBRARIES)])}",
        )
    )


def _processor() -> str:
    """Return the name of the CPU, or `-` where the system does not tell."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "-"
