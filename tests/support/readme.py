"""The Python blocks of the READMEs, as programs."""

import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]


def python_blocks(name: str = "README.md") -> list[str]:
    """Return the Python blocks of a README, in their order."""
    return re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)


def is_fragment(block: str) -> bool:
    """Tell whether a block uses an open session, and so is no program yet."""
    return bool(re.search(r"^(await|async with|async for|\w+ = await)\b", block, re.MULTILINE))


def as_module(block: str) -> str:
    """Return a block as it stands, or, if it is a fragment, in an open session."""
    if not is_fragment(block):
        return block
    body = textwrap.indent(block, " " * 8)
    return (
        "from vidgo_async import VidgoSession\n"
        "async def main() -> None:\n"
        "    async with VidgoSession() as vidgo:\n"
        f"{body}"
    )
