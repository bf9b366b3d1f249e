"""Prove that README documents the sandbox."""

import re
from pathlib import Path

from vidgo_async import sandbox


def test_each_fault_is_in_readme() -> None:
    """README's chapter on testing names every fault and function of the sandbox."""
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    chapter = readme.split("## Testing your app")[1].split("\n## ")[0]
    names = set(re.findall(r"\w+", chapter))
    assert set(sandbox.__all__) - names == {
        "REALISTIC",
        "Call",
        "Fault",
        "Shape",
        "SoldTask",
        "Upload",
        "failed_at_once",
        "jumping_loop",
    }
