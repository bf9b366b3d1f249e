"""The command to try again is read by a shell and by the program as the same request."""

import json
import shlex
from typing import Any

import attrs
import pytest

from vidgo_async import GrokImagine
from vidgo_async.cli.inputs.arguments import as_requests
from vidgo_async.page.again import MAX_COMMAND, PICTURES, command
from vidgo_async.page.outcomes import Record, State

HARD = ["a fox", 'it\'s $HOME `ls` \\ "x"', "two\nlines", "-v", "--help", "</script>", "غروب 🦊"]
VALUES: list[Any] = [
    6,
    6.5,
    True,
    None,
    "16:9",
    "6",
    '"',
    "true",
    "[" * 100_000,
    [1, "a b"],
    {"a": {"b": 1}},
]


def failed(**parameters: Any) -> Record:
    return Record(state=State.FAILED, model="kling-3.0/pro", input=parameters)


@pytest.mark.parametrize("prompt", HARD)
def test_prompts_come_through(prompt: str) -> None:
    """A shell hands the program the very prompt, at its place."""
    text = command(failed(prompt=prompt))
    assert text is not None
    words = shlex.split(text)
    options = ["--model", "kling-3.0/pro", "--out", "."]
    hyphen = prompt.startswith("-")
    expected = [*options, "--", prompt] if hyphen else [prompt, *options]
    assert words == ["vidgo-async", "generate", *expected]


@pytest.mark.parametrize("value", VALUES, ids=[str(value)[:9] for value in VALUES])
def test_inputs_come_through(value: Any) -> None:
    """The program reads each input as what it was: a number, a text that looks like one."""
    setting = value if not isinstance(value, str) or len(value) < 99 else value[:99]
    text = command(failed(prompt="a fox", it=setting))
    assert text is not None
    words = shlex.split(text)
    settings = [words[at + 1] for at, word in enumerate(words) if word == "--set"]
    (request,) = as_requests(["a fox"], "kling-3.0/pro", settings, None)
    assert request.input == {"prompt": "a fox", "it": setting}


def test_text_of_deep_brackets_is_text() -> None:
    """A text that no reader of JSON takes stays as it is."""
    deep = "[" * 50_000
    assert f"it={deep}" in shlex.split(command(failed(prompt="a fox", it=deep)) or "")


@pytest.mark.parametrize(
    "parameters",
    [{}, {"prompt": ""}, {"prompt": " "}, {"prompt": 3}, {"prompt": "a", "x=y": 1}, {"prompt": "a", "-x": 1}],
)  # fmt: skip
def test_requests_that_the_program_does_not_take(parameters: dict[str, Any]) -> None:
    """A request without a prompt, or with odd names, is tried again from Python."""
    text = f"await vidgo.generate(GenerationRequest('kling-3.0/pro', {parameters!r}))"
    assert command(failed(**parameters)) == text


def test_a_picture_to_begin_with() -> None:
    """The known model's one picture, a path or a URL, is given as `--image`; others as they are."""
    record = Record(
        state=State.FAILED, model=GrokImagine.model, input={"prompt": "a", PICTURES: ["x y.png"]}
    )
    assert "--image 'x y.png' --out ." in (command(record) or "")
    for value in ([], ["a", "b"], ["-a"], "a", [3]):
        other = attrs.evolve(record, input={"prompt": "a", PICTURES: value})
        assert f"{PICTURES}={json.dumps(value) if value != 'a' else 'a'}" in shlex.split(
            command(other) or ""
        )
    assert "--image" not in (command(attrs.evolve(record, model="kling")) or "")


def test_no_command() -> None:
    """None where the model is not known, or a picture was cut, or is too long for a shell."""
    assert command(Record(state=State.FAILED, input={"prompt": "a fox"})) is None
    assert command(failed(prompt="a fox", image="x" * MAX_COMMAND)) is None
    assert command(failed(prompt="a fox", images=["data:image/png;base64,AAA…"])) is None


@pytest.mark.parametrize("state", [State.UNSAVED, State.UNKNOWN])
def test_what_was_bought_is_collected(state: State) -> None:
    """With a task id the command waits for it, and buys nothing."""
    assert command(Record(state=state, task_id="task 1")) == "vidgo-async wait --out . 'task 1'"
    assert command(Record(state=state, task_id="-1")) == "vidgo-async wait --out . -- -1"
    assert command(Record(state=state, input={"prompt": "a fox"}, model="kling")) is None


def test_what_is_saved_needs_none() -> None:
    """There is nothing to try again."""
    assert (
        command(Record(state=State.SAVED, task_id="t1", input=json.loads('{"prompt": "a"}')))
        is None
    )
