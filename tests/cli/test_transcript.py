"""README's transcript is what the program prints."""

import re
import shlex
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.program import Program
from tests.support.readme import ROOT
from vidgo_async.sandbox import Fault, failed_at_once

TRANSCRIPT = re.search(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def steps() -> list[tuple[list[str], list[str]]]:
    """Return each command of the transcript, with the lines that follow it."""
    assert TRANSCRIPT is not None
    found: list[tuple[list[str], list[str]]] = []
    for line in TRANSCRIPT[1].splitlines():
        if line.startswith("$ "):
            found.append((shlex.split(line[2:]), []))
        else:
            found[-1][1].append(line)
    return found


def comparable(lines: list[str]) -> list[str]:
    """Leave out what differs from run to run: ids, seconds, the order of ends."""
    text = "\n".join(line for line in lines if " to go: " not in line)
    text = re.sub(r"after \d+ s", "after N s", text)
    return sorted(re.sub(r"^\d of 3: ", "N of 3: ", text, flags=re.MULTILINE).splitlines())


def failing_once(word: str) -> Fault:
    """Let the first task fail whose prompt has a word: submits come in any order."""
    failed = list[str]()

    async def fault(request: web.Request, handler: Handler) -> web.StreamResponse:
        prompt = (await request.json())["input"]["prompt"]
        if word not in prompt or failed:
            return await handler(request)
        failed.append(prompt)
        return await failed_at_once("no GPU")(request, handler)

    return fault


def test_the_transcript_is_true(program: Program) -> None:
    """Each command of README's transcript, in its order, prints what stands below it."""
    (command, file), *rest = steps()
    assert command == ["cat", "prompts.csv"]
    Path("prompts.csv").write_text("\n".join(file) + "\n")
    program.sandbox.inject(failing_once("lake"), "submit", times=None)
    for (name, *arguments), lines in rest:
        assert name == "vidgo-async"
        run = program(*arguments)
        assert comparable([*run.out.splitlines(), *run.err.splitlines()]) == comparable(lines)
    assert program.sandbox.sold == 4
