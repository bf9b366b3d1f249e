"""`--name`: a template over a row, its number and its task."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidgo_async import GenerationRequest
from vidgo_async._files.stems import MAX_BYTES
from vidgo_async.cli.inputs.names import DEFAULT, NameTemplate
from vidgo_async.cli.inputs.rows import Row

FOX = "A fox, in snow"


def row(
    prompt: str | None = FOX, name: str | None = None, line: int | None = 2, **more: str
) -> Row:
    columns = more if prompt is None else {"prompt": prompt, **more}
    fields: dict[str, Any] = dict(columns)
    if name is not None:
        columns = {**columns, "name": name}
    return Row(line, GenerationRequest("kling-3.0/pro", fields), name, columns)


@pytest.mark.parametrize(
    ("template", "stem"),
    [
        (None, "0007-a-fox-in-snow"),
        (DEFAULT, "0007-a-fox-in-snow"),
        ("{prompt}", "A fox, in snow"),
        ("{model}-{task_id}", "kling-3.0-pro-task-1"),
        ("{seed}_{index}", "42_7"),
        ("{index:x>3d}", "xx7"),
        ("{slug:.5}", "a-fox"),
        ("{slug:>16}", "a-fox-in-snow"),
        ("{slug:_>16s}", "___a-fox-in-snow"),
        ("{{{index}}}", "{7}"),
        ("all the same", "all the same"),
        ("../{slug}/{prompt}", "a-fox-in-snow-A fox, in snow"),
        ("/etc/{slug}", "etc-a-fox-in-snow"),
        ("con", "_con"),
    ],
)
def test_templates(template: str | None, stem: str) -> None:
    """A template is filled from a row, its number and its task, and never leaves the folder."""
    assert NameTemplate(template).stem(row(seed="42"), 7, "task/1") == stem


def test_default_names_sort_in_the_order_of_the_rows() -> None:
    """The number has leading zeros."""
    stems = [NameTemplate().stem(row(), index, "t") for index in (1, 2, 10, 1000)]
    assert stems == sorted(stems)


@pytest.mark.parametrize("prompt", [None, "🚀", "!?"])
def test_nothing_is_left_of_a_slug_without_words(prompt: str | None) -> None:
    """Without words in the prompt the dash before or after them goes too."""
    assert NameTemplate().stem(row(prompt), 7, "t") == "0007"
    assert NameTemplate("{slug}_{index}").stem(row(prompt), 7, "t") == "7"
    assert NameTemplate("{slug}").stem(row(prompt), 7, "t") == "file"


def test_a_name_of_the_row_takes_the_place_of_the_default() -> None:
    """The column `name` is the whole name, unless a template is given, which may use it."""
    named = row(name="../shot 1")
    assert NameTemplate().stem(named, 7, "t") == "shot 1"
    assert NameTemplate(DEFAULT).stem(named, 7, "t") == "0007-a-fox-in-snow"
    assert NameTemplate("{name}-{index}").stem(named, 7, "t") == "shot 1-7"


def test_what_the_template_knows_wins_over_columns() -> None:
    """Columns called `index`, `slug` or `task_id` do not hide what is meant."""
    own = row(index="x", slug="y", task_id="z")
    assert NameTemplate("{index}-{slug}-{task_id}").stem(own, 7, "t") == "7-a-fox-in-snow-t"


@pytest.mark.parametrize(
    ("template", "about"),
    [
        ("", "is empty"),
        (" ", "is empty"),
        ("{", "cannot be read"),
        ("}", "cannot be read"),
        ("{slug", "cannot be read"),
        ("{}", "takes the name of a column in braces, not {}"),
        ("{0}", "takes the name of a column in braces, not {0}"),
        ("{index.real}", "not {index.real}"),
        ("{slug[0]}", "not {slug[0]}"),
        ("{slug!r}", "not {slug}"),
        ("{a b}", "not {a b}"),
        ("{index:999999999}", "'999999999' is no format for index"),
        ("{index:c}", "no format for index"),
        ("{index:.3f}", "no format for index"),
        ("{index:,}", "no format for index"),
        ("{slug:9999}", "no format for slug"),
        ("{slug:.9999}", "no format for slug"),
        ("{slug:04d}", "no format for slug"),
        ("{slug:{index}}", "no format for slug"),
    ],
)
def test_wrong_templates(template: str, about: str) -> None:
    """What cannot be filled is refused in one sentence when the template is made."""
    with pytest.raises(ValueError, match=r"^.") as caught:
        NameTemplate(template)
    assert str(caught.value).startswith("--name ")
    assert about in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_columns_are_named() -> None:
    """A column that is not in each row is refused before anything is bought, with the lines."""
    rows = [row(line=line, **({"shot": "1"} if line == 3 else {})) for line in range(2, 10)]
    NameTemplate("{index}-{slug}-{prompt}-{model}-{task_id}").check(rows)
    NameTemplate("{shot}").check(rows[1:2])
    with pytest.raises(ValueError, match=r"^.") as caught:
        NameTemplate("{shot}").check(rows)
    assert str(caught.value) == (
        "--name uses {shot}, and there is none in line 2, line 4, line 5, line 6, line 7 and 2 more"
    )
    with pytest.raises(ValueError, match=r"uses {name}, and there is none in prompt 2$"):
        NameTemplate("{name}").check([row(line=None, name="x"), row(line=None)])


SPECS = st.from_regex(r"[^{}]?[<>=^]?[+ -]?[0-9]{0,3}(\.[0-9]{1,3})?[a-zA-Z,_%]?", fullmatch=True)


@given(SPECS, st.integers(1, 10**9), st.sampled_from(["index", "slug", "prompt"]), st.text())
def test_a_format_that_passes_never_fails(spec: str, index: int, field: str, prompt: str) -> None:
    """A template that was accepted names any row: no error comes once a video is paid for."""
    try:
        template = NameTemplate(f"{{{field}:{spec}}}")
    except ValueError:
        return
    assert template.stem(row(prompt), index, "t")


@given(st.text(), st.text(), st.text())
def test_no_name_leaves_the_folder(prompt: str, name: str, task_id: str) -> None:
    """Whatever a row and a server say, the name has no separator, and no more than its bytes."""
    for template in (None, "{name}/{prompt}", "..{task_id}"):
        stem = NameTemplate(template).stem(row(prompt, name), 1, task_id)
        assert not set("/\\\0") & set(stem)
        assert stem[0] != "."
        assert len(stem.encode()) <= MAX_BYTES
