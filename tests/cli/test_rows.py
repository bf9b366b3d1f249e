"""`--from`: the rows of a file, and all that may be wrong with them."""

import codecs
import io
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.uploads import PNG, data_url, picture
from vidgo_async import GenerationRequest, GrokImagine
from vidgo_async.cli.inputs.arguments import Defaults
from vidgo_async.cli.inputs.rows import Row, RowsError, dump_row, read_rows, rows_of_prompts

GROK = Defaults("grok-imagine")
OTHER = Defaults("veo3")
URL = "https://a.example/fox.png"


def file(folder: Path, text: str | bytes, name: str = "rows") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def inputs(rows: list[Row]) -> list[dict[str, Any]]:
    return [dict(row.request.input) for row in rows]


def lines(rows: list[Row]) -> list[int | None]:
    return [row.line for row in rows]


def problems(
    folder: Path, text: str | bytes, name: str = "rows", of: Defaults = OTHER
) -> list[str]:
    """Return what is said of a file, a line each, without its name."""
    path = file(folder, text, name)
    with pytest.raises(RowsError) as caught:
        read_rows(path, of)
    found = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}, ") for line in found)
    return [line.removeprefix(f"{path}, ") for line in found]


# --- Prompts ---------------------------------------------------------------------------------


def test_prompts_of_the_command_line() -> None:
    """A prompt is a row without a line, with what the options say."""
    [row, other] = rows_of_prompts([" a fox", "#2"], Defaults("veo3", ["seed=1", "size=16:9"]))
    assert row == Row(
        None,
        GenerationRequest("veo3", {"prompt": " a fox", "seed": 1, "size": "16:9"}),
        None,
        {"prompt": " a fox"},
    )
    assert other.columns == {"prompt": "#2"}


@pytest.mark.parametrize(
    ("prompt", "of", "about"),
    [
        ("", GROK, "GrokImagine.prompt is empty"),
        ("a\udcff", GROK, "prompt has a character that cannot be sent: 'a\\udcff'"),
        ("a", Defaults("veo3", ['x=[{"y":"\\u0000"}]']), "x has a character that cannot be sent"),
        ("a", Defaults("veo3", ['x={"\\ud800":1}']), "x has a character that cannot be sent"),
        ("a", Defaults("veo3", ["\0=1"]), "the name of a field has a character"),
        ("a", Defaults("\ud800"), "model has a character that cannot be sent"),
        ("a", Defaults("veo3", ["x=" + "[" * 200 + "]" * 200]), "nested too deeply"),
        ("a", Defaults("grok-imagine", image="no.png"), "--image no.png: there is no such file"),
        ("a", Defaults("grok-imagine", image="."), "--image .: a folder cannot be uploaded"),
        ("a", Defaults("grok-imagine", image="data:x,y"), "without base64"),
        ("a", Defaults("veo3", image=URL), "--image is for grok-imagine; for veo3 use its own"),
    ],
)
def test_wrong_prompts_and_options(prompt: str, of: Defaults, about: str) -> None:
    """What cannot be sent is refused by name, before anything is bought."""
    with pytest.raises(ValueError, match=r"^.") as caught:
        rows_of_prompts([prompt], of)
    assert about in str(caught.value)


def test_what_is_nested_too_deeply_to_be_json_is_text() -> None:
    """A value of `--set` that no parser takes is text, and no crash."""
    [row] = rows_of_prompts(["a"], Defaults("veo3", ["x=" + "[" * 100_000]))
    assert row.request.input["x"] == "[" * 100_000


# --- Text ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rows.txt", "rows.TXT", "rows", "rows.lst"])
def test_a_prompt_a_line(tmp_path: Path, name: str) -> None:
    """Blank lines and comments are skipped; a mark at the beginning and CRLF do no harm."""
    text = (
        "\ufeff# my foxes\r\n\r\n  a fox, in snow \r\n \t\n # no prompt\n\na\u2028lake\x0b; x\nlast"
    )
    rows = read_rows(file(tmp_path, text, name), Defaults("veo3", ["seed=1"]))
    assert inputs(rows) == [
        {"prompt": "a fox, in snow", "seed": 1},
        {"prompt": "a\u2028lake\x0b; x", "seed": 1},
        {"prompt": "last", "seed": 1},
    ]
    assert lines(rows) == [3, 7, 8]
    assert rows[0].columns == {"prompt": "a fox, in snow"}
    assert rows[0].name is None


def test_text_stays_text(tmp_path: Path) -> None:
    """In a file of text no prompt is read as a value, whatever it has the form of."""
    text = 'a fox\n{"prompt": "x"}\nprompt,model\n123\n"quoted"\n'
    rows = read_rows(file(tmp_path, text, "rows.txt"), OTHER)
    assert [row.request.input["prompt"] for row in rows] == text.splitlines()


# --- Tables ----------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows"])
def test_tables(tmp_path: Path, delimiter: str, name: str) -> None:
    """A table has a column a field; its delimiter is that of its header."""
    table = [
        ["\ufeffprompt", ' "duration"', "model ", "name", "extra"],
        ["a fox", "10", "", "", ""],
        [],
        ["", "", " ", "", ""],
        ['"two\nlines, ""quoted""; so"', "6", "kling-3.0/pro", "001", '"{""x"": [1]}"'],
        [" 123 ", "16:9", "true", "null", "null"],
        ["true"],
    ]
    text = "\r\n".join(delimiter.join(row) for row in table)
    rows = read_rows(file(tmp_path, text, name), OTHER)
    assert inputs(rows) == [
        {"prompt": "a fox", "duration": 10},
        {"prompt": 'two\nlines, "quoted"; so', "duration": 6, "extra": {"x": [1]}},
        {"prompt": "123", "duration": "16:9", "extra": None},
        {"prompt": "true"},
    ]
    assert lines(rows) == [2, 5, 7, 8]
    assert [row.request.model for row in rows] == ["veo3", "kling-3.0/pro", "true", "veo3"]
    assert [row.name for row in rows] == [None, "001", "null", None]
    assert rows[0].columns == {"prompt": "a fox", "duration": "10"}
    assert rows[1].columns["extra"] == '{"x": [1]}'


@pytest.mark.parametrize(
    ("text", "is_table"),
    [
        ("\n prompt \nfox", True),
        ("model,seed\nveo3,1", True),
        ('"image_urls","name"\nhttps://a.example/b.png,x', True),
        ("Prompt\nfox", False),
        ("model\nfox", False),
        ("model, image of a fox\nfox", False),
        ("a prompt\nfox", False),
        ("seed,size\nfox", False),
    ],
)
def test_a_table_is_known_by_its_header(tmp_path: Path, text: str, is_table: bool) -> None:
    """Without a suffix a first line that names known columns is a header, any other a prompt."""
    assert len(read_rows(file(tmp_path, text), OTHER)) == (1 if is_table else 2)


def test_long_cells(tmp_path: Path) -> None:
    """A cell may be longer than any prompt."""
    text = "prompt,seed\n" + "x" * 100_000 + ",1\n"
    [row] = read_rows(file(tmp_path, text, "rows.csv"), OTHER)
    assert len(row.request.input["prompt"]) == 100_000


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("prompt,,seed\nfox,1,2", "line 1: the first line names the columns, and '' is no name"),
        ("\nprompt,a b\nfox,1", "line 2: the first line names the columns, and 'a b' is no"),
        ("seed,prompt,seed\n1,fox,2", "line 1: the column 'seed' is there twice"),
        ("Prompt,seed\nfox,2", "line 1: the column 'Prompt' is written 'prompt'"),
        ("prompt,seed\na fox, in snow,2", "line 2: it has 3 cells, and the header has 2"),
        ("prompt\na fox,", "line 2: it has 2 cells, and the header has 1"),
        (
            'prompt\n"a\nb"\n"c\nd',
            "line 4: from here on it is no CSV: a quote is not closed, or a line",
        ),
        ('prompt\n"a"b', "line 2: from here on it is no CSV"),
        ('"prompt\n', "line 1: from here on it is no CSV"),
        ("prompt\na\rb", "line 2: from here on it is no CSV"),
        ("prompt,model\n,veo3", "line 2: it has no prompt"),
        ("prompt,seed\nfox,NaN", "line 2: input.seed is nan, and JSON has no such number"),
        ("prompt,image\nfox,x.png", "line 2: image is for grok-imagine; for veo3 use its own"),
    ],
)
def test_wrong_tables(tmp_path: Path, text: str, about: str) -> None:
    """What is wrong with a table is named with the line where its row begins."""
    [problem] = problems(tmp_path, text, "rows.csv")
    assert problem.startswith(about)


# --- JSON ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.NDJSON", "rows.json", "rows"])
def test_json_lines(tmp_path: Path, name: str) -> None:
    """A JSON object a line holds the fields, or the API's own body with a name beside it."""
    given = [
        "\ufeff",
        '{"prompt": "a fox", "seed": 1, "size": null, "x": {"y": [true, "1"]}}',
        "",
        ' {"prompt": null, "model": "m/1", "name": "shot", "image": "", "seed": 1}',
        '{"model": "m", "name": " 7 ", "input": {"prompt": 5, "model": "x", "image": {}}}',
        '{"input": {"prompt": "a\u2028b\\u2028c"}, "name": null}',
        "",
    ]
    rows = read_rows(file(tmp_path, "\r\n".join(given), name), OTHER)
    assert inputs(rows) == [
        {"prompt": "a fox", "seed": 1, "size": None, "x": {"y": [True, "1"]}},
        {"seed": 1},
        {"prompt": 5, "model": "x", "image": {}},
        {"prompt": "a\u2028b\u2028c"},
    ]
    assert lines(rows) == [2, 4, 5, 6]
    assert [row.request.model for row in rows] == ["veo3", "m/1", "m", "veo3"]
    assert [row.name for row in rows] == [None, "shot", " 7 ", None]
    assert rows[0].columns == {"prompt": "a fox", "seed": "1", "x": '{"y": [true, "1"]}'}
    assert rows[1].columns == {"seed": "1", "model": "m/1", "name": "shot"}


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ('{"prompt": "a"', "it is no JSON object in one line: Expecting ',' delimiter at"),
        ("fox", "it is no JSON object in one line: Expecting value at character 1"),
        ('"fox"', "it is no JSON object: '\"fox\"'"),
        ('[{"prompt": "a"}]', "give one JSON object a line, without a list around them"),
        ('[\n{"prompt": "a"}\n]', "give one JSON object a line, without a list around them"),
        ('{"prompt": "a", "prompt": "b"}', "'prompt' is there twice"),
        ('{"prompt": "a", "x": {"y": 1, "z": 0, "y": 1}}', "'y' is there twice"),
        ('{"prompt": "a", "x": NaN}', "NaN is no number of JSON"),
        ('{"prompt": "a", "x": [-Infinity]}', "-Infinity is no number of JSON"),
        ('{"prompt": "a", "x": 1e999}', "input.x is inf, and JSON has no such number"),
        ('{"prompt": "a", "x": ' + "[" * 100_000 + "}", "it is nested too deeply"),
        ('{"x": ' + "[" * 150 + "]" * 150 + "}", "input is nested too deeply"),
        ('{"prompt": 1}', "prompt must be text, not 1"),
        ('{"prompt": "a", "name": 1.5}', "name must be text, not 1.5"),
        ('{"prompt": "a", "image": [1]}', "image must be text, not [1]"),
        ('{"input": {"prompt": "a"}, "model": true}', "model must be text, not true"),
        ('{"prompt": "a", "PROMPT ": "b"}', "the column 'PROMPT ' is written 'prompt'"),
        ('{"input": "a fox"}', "input must be an object, not a fox"),
        ('{"input": {"prompt": "a"}, "seed": 1}', "'seed' stands beside input, where only model"),
        ('{"input": {}}', "it has no prompt"),
        ("{}", "it has no prompt"),
        ('{"prompt": " ", "model": "m"}', "it has no prompt"),
        ('{"prompt": "a\\u0000"}', "prompt has a character that cannot be sent: 'a\\x00'"),
        ('{"prompt": "a\\ud800"}', "prompt has a character that cannot be sent: 'a\\ud800'"),
        ('{"prompt": "a", "image_url": "data:x,\\n"}', "a data: URL without base64"),
        ('{"prompt": "a", "model": "a\\ud800"}', "model has a character that cannot be sent"),
    ],
)
def test_wrong_json(tmp_path: Path, text: str, about: str) -> None:
    """What is wrong with a line of JSON is named in one line."""
    [problem] = problems(tmp_path, "\n" + text, "rows.jsonl")
    assert problem.startswith("line 2: " + about)


def test_a_list_is_never_taken_for_prompts(tmp_path: Path) -> None:
    """Without a suffix a list of objects is refused as JSON; a bracket may begin a prompt."""
    assert "without a list" in problems(tmp_path, ' [ \n {"prompt": "a"}]')[0]
    [row] = read_rows(file(tmp_path, "[wide shot] a fox"), OTHER)
    assert row.request.input == {"prompt": "[wide shot] a fox"}


# --- Models and pictures ---------------------------------------------------------------------


def test_rows_win_over_options(tmp_path: Path) -> None:
    """What a row says of its model, picture or a field counts more than an option."""
    own = "https://a.example/own.png"
    text = "\n".join(
        json.dumps(row)
        for row in [
            {"prompt": "a"},
            {"prompt": "b", "duration": 6, "image": own},
            {"prompt": "c", "image_urls": own},
            {"prompt": "d", "model": "veo3", "image_urls": own},
            {"input": {"prompt": "e", "image_urls": [own], "mode": None}, "model": "grok-imagine"},
        ]
    )
    options = Defaults("grok-imagine", ["duration=10", 'image_urls=["https://a.example/x"]'], URL)
    assert inputs(read_rows(file(tmp_path, text), options)) == [
        {"prompt": "a", "image_urls": [URL], "duration": 10},
        {"prompt": "b", "image_urls": [own], "duration": 6},
        {"prompt": "c", "image_urls": [own], "duration": 10},
        {"prompt": "d", "duration": 10, "image_urls": [own]},
        {"prompt": "e", "image_urls": [own], "duration": 10},
    ]


def test_the_known_model_is_checked(tmp_path: Path) -> None:
    """A row of the known model becomes its typed request, which refuses what it does not have."""
    text = "prompt,duration,colour\nfox,10,\nfox,7,\nfox,,red\n,6,\n" + "x" * 5001 + ",,"
    path = file(tmp_path, text, "rows.csv")
    way = "(GenerationRequest(model, input) sends anything)"
    fields = "image_urls, aspect_ratio, mode, duration"
    assert problems(tmp_path, text, "rows.csv", GROK) == [
        f"line 3: GrokImagine.duration must be one of 6, 10, not 7 {way}",
        f"line 4: grok-imagine has no parameter 'colour'; it has {fields}",
        f"line 5: GrokImagine.prompt is empty; give 1 to 5000 characters {way}",
        f"line 6: GrokImagine.prompt has 5001 characters; at most 5000 are allowed {way}",
    ]
    path.write_text("prompt,duration\nfox,10")
    assert read_rows(path, GROK)[0].request == GrokImagine("fox", duration=10)


def test_pictures_are_beside_their_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths in a file begin at its folder, that of `--image` at the current one; URLs stay."""
    folder, other = tmp_path / "a", tmp_path / "b"
    folder.mkdir()
    other.mkdir()
    own, option = picture(folder, "own.png"), picture(other, "option.png")
    given: list[dict[str, Any]] = [
        {},
        {"image": "own.png"},
        {"image": "../a/own.png"},
        {"image_urls": str(own)},
        {"image_urls": ["own.png"]},
        {"image": "HTTPS://a.example/x"},
        {"image_urls": "DATA:" + data_url().removeprefix("data:")},
    ]
    text = "\n".join(json.dumps({"prompt": "a", **more}) for more in given)
    monkeypatch.chdir(other)
    found = read_rows(file(folder, text), Defaults("grok-imagine", image="option.png"))
    assert [row.request.input["image_urls"] for row in found] == [
        [option],
        [own],
        [folder / ".." / "a" / "own.png"],
        [own],
        [own],
        ["HTTPS://a.example/x"],
        [data_url()],
    ]
    assert found[1].columns["image"] == "own.png"


@pytest.mark.parametrize(
    ("row", "about"),
    [
        ({"image": "no.png"}, "image no.png: there is no such file"),
        ({"image": "."}, "image .: a folder cannot be uploaded, only a picture"),
        ({"image": "x" * 5000}, "image xxxx"),
        ({"image": "fox.txt"}, "image '{folder}/fox.txt': no picture by its content; allowed"),
        ({"image": "empty.png"}, "image '{folder}/empty.png': empty"),
        ({"image": "a\0"}, "image "),
        ({"image": "\ud800"}, "image "),
        ({"image": "https://"}, "GrokImagine.image_urls[0] must be an http(s) URL"),
        ({"image": "data:,x"}, "a data: URL without base64 cannot be uploaded"),
        ({"image": data_url(b"no picture")}, "the data: URL"),
        ({"image": URL, "image_urls": [URL]}, "image and image_urls are the same"),
        ({"image_urls": "no.png"}, "image_urls no.png: there is no such file"),
        ({"image_urls": [URL, URL]}, "GrokImagine.image_urls holds 2 URLs"),
        ({"image_urls": [7]}, "GrokImagine.image_urls[0] must be a URL or a path, not int"),
        ({"image_urls": 7}, "GrokImagine.image_urls must be a list of URLs or paths, not int"),
        ({"image": URL, "model": "veo3"}, "image is for grok-imagine; for veo3"),
    ],
)
def test_wrong_pictures(tmp_path: Path, row: dict[str, Any], about: str) -> None:
    """A picture that cannot be uploaded is named with its line before anything is bought."""
    file(tmp_path, "a fox", "fox.txt")
    file(tmp_path, "", "empty.png")
    text = json.dumps({"prompt": "a"}) + "\n" + json.dumps({"prompt": "b", **row})
    [problem] = problems(tmp_path, text, of=GROK)
    assert problem.startswith("line 2: " + about.format(folder=tmp_path))


def test_an_option_that_the_model_of_a_row_does_not_take(tmp_path: Path) -> None:
    """`--image` for a row of another model is named with its line."""
    text = "prompt,model\na,\nb,veo3"
    [problem] = problems(tmp_path, text, of=Defaults("grok-imagine", image=URL))
    assert problem == "line 3: --image is for grok-imagine; for veo3 use its own field for pictures"


# --- Files -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "about"),
    [
        ("a fox\nä lake\n".encode("latin-1"), "line 2: it is not UTF-8; save it as UTF-8"),
        (codecs.BOM_UTF8 + "a\nb\nü".encode("latin-1"), "line 3: it is not UTF-8"),
        ("prompt\nfox".encode("utf-16"), "line 1: it is not UTF-8"),
        ("a\nfox".encode("utf-16-le"), "line 1: it holds a NUL, as UTF-16 does"),
        (b"a\nb\0", "line 2: it holds a NUL, as UTF-16 does"),
        (b"a\n\xed\xa0\x80", "line 2: it is not UTF-8"),
    ],
)
def test_what_is_not_utf8(tmp_path: Path, data: bytes, about: str) -> None:
    """Another encoding is named with its line, and what to do."""
    [problem] = problems(tmp_path, data)
    assert problem.startswith(about)


@pytest.mark.parametrize("name", ["rows", "rows.txt", "rows.csv", "rows.jsonl"])
@pytest.mark.parametrize("text", ["", "\ufeff\n \n"])
def test_empty_files(tmp_path: Path, name: str, text: str) -> None:
    """A file without a row is an error, not a run that buys nothing."""
    with pytest.raises(ValueError, match=f"{name}: there is no row in it"):
        read_rows(file(tmp_path, text, name), OTHER)


@pytest.mark.parametrize(("name", "text"), [("rows.csv", "prompt,seed\n,\n"), ("rows", "# a\n")])
def test_files_without_rows(tmp_path: Path, name: str, text: str) -> None:
    """The same holds for a header or comments alone."""
    with pytest.raises(ValueError, match="there is no row in it"):
        read_rows(file(tmp_path, text, name), OTHER)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """What is not there, or a folder, is one plain sentence."""
    with pytest.raises(ValueError, match=r"^cannot read .*no.csv: No such file or directory$"):
        read_rows(tmp_path / "no.csv", OTHER)
    with pytest.raises(ValueError, match=r"^cannot read .*: Is a directory$"):
        read_rows(tmp_path, OTHER)
    with pytest.raises(ValueError, match=r"^cannot read .*: File name too long$"):
        read_rows(tmp_path / ("x" * 5000), OTHER)


def test_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard input is what its content says; paths in it begin at the current folder."""

    def read(data: bytes) -> list[Row]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), "ascii"))
        return read_rows(None, GROK)

    monkeypatch.chdir(tmp_path)
    fox = picture(tmp_path)
    assert read("ein Füchslein".encode())[0].request == GrokImagine("ein Füchslein")
    for data in (b"prompt,image\na,fox.png", b'{"prompt": "a", "image": "fox.png"}'):
        assert read(data)[0].request == GrokImagine("a", image_urls=[fox])
    with pytest.raises(RowsError, match=r"^standard input, line 2: GrokImagine.prompt has 6000"):
        read(b"a\n" + b"x" * 6000)


def test_all_wrong_rows_are_named_at_once(tmp_path: Path) -> None:
    """Each is named with its line; those that are wrong in one way share a sentence."""
    long, longer = "x" * 5001, "x" * 5002
    rows = ["fox", *[long] * 20, "fox", long, longer, long]
    found = problems(tmp_path, "\n".join(rows), of=GROK)
    assert [line.partition(":")[0] for line in found] == ["lines 2-21, 23, 25", "line 24"]
    path = file(tmp_path, "\n".join(rows))
    with pytest.raises(RowsError) as caught:
        read_rows(path, GROK)
    assert len(caught.value.problems) == 23
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_problems_are_printable_and_short(tmp_path: Path) -> None:
    """What a row holds is quoted without control characters, and not at any length."""
    text = json.dumps({"prompt": "a", "x\x1b[2J\n" + "y" * 9000: [1e400]}, ensure_ascii=False)
    [problem] = problems(tmp_path, text.replace("Infinity", "1e400"))
    assert problem.startswith("line 1: input.x\ufffd[2J\ufffdyyy")
    assert problem.endswith("y…")
    assert len(problem) < 600


def test_the_work_grows_with_the_rows_and_no_faster(tmp_path: Path) -> None:
    """Four times as many rows take four times as many calls of functions."""

    def calls(count: int) -> int:
        called = 0

        def count_one(*_: object) -> None:
            nonlocal called
            called += 1

        path = file(tmp_path, "prompt,seed,name\n" + '"a fox, again",1,n\n' * count, "rows.csv")
        sys.setprofile(count_one)
        try:
            rows = read_rows(path, OTHER)
            dumped = file(tmp_path, "\n".join(map(dump_row, rows)), "rows.jsonl")
            assert len(read_rows(dumped, OTHER)) == count
        finally:
            sys.setprofile(None)
        return called

    calls(1)  # what is done once is done now
    assert 3.5 < calls(2_000) / calls(500) < 4.5


def test_a_picture_of_many_rows_is_opened_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that share a picture do not have it checked again."""
    opened: list[Path] = []
    real_open = Path.open

    def counted_open(self: Path, *args: Any, **more: Any) -> Any:
        opened.append(self)
        return real_open(self, *args, **more)

    fox = picture(tmp_path)
    path = file(tmp_path, "prompt,image\n" + "a,fox.png\n" * 100)
    monkeypatch.setattr(Path, "open", counted_open)
    assert len(read_rows(path, GROK)) == 100
    assert opened.count(fox) == 1


# --- Writing ---------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # What is a data: URL of a media field is checked, and no text has a NUL.
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc input"), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = st.sampled_from(
    # Texts in a field of media are paths that have to be there.
    ["prompt", "model", "name", "image", "input", "image_size", "seed", "é\u2028"]
)


@given(
    st.dictionaries(KEYS, VALUES, min_size=1, max_size=4),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])).filter(str.strip),
    st.none() | st.text().filter(str.strip),
)
def test_free_form_rows_survive(fields: dict[str, Any], model: str, name: str | None) -> None:
    """A row of any model is written in one line, and read as an equal request and name."""
    row = Row(None, GenerationRequest(model, fields), name, {})
    if model == "grok-imagine":
        return
    assert_survives(row)


@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=50).filter(
        str.strip
    ),
    st.none() | st.sampled_from([6, 10]),
    st.none() | st.sampled_from([[URL], [data_url()]]),
    st.none() | st.text().filter(str.strip),
)
def test_known_rows_survive(
    prompt: str, duration: Any, pictures: list[str] | None, name: str | None
) -> None:
    """The same holds for the known model."""
    request = GrokImagine(prompt, duration=duration, image_urls=pictures)
    assert_survives(Row(3, request, name, {}))


def assert_survives(row: Row) -> None:
    dumped = dump_row(row)
    assert len(dumped.splitlines()) == 1
    stdin = sys.stdin
    try:
        sys.stdin = io.TextIOWrapper(io.BytesIO(f"{dumped}\n{dumped}\n".encode()))
        one, other = read_rows(None, OTHER)
    finally:
        sys.stdin = stdin
    for read in (one, other):
        assert read.request == row.request
        assert read.name == row.name
        assert json.loads(dump_row(read)) == json.loads(dumped)


def test_pictures_are_written_with_their_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row with a picture is read as an equal one, from any folder."""
    picture(tmp_path, "füchslein.png", PNG)
    monkeypatch.chdir(tmp_path)
    [row] = rows_of_prompts(["a"], Defaults("grok-imagine", image="füchslein.png"))
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    [read] = read_rows(file(tmp_path / "other", dump_row(row), "failed.jsonl"), OTHER)
    assert read.request == row.request
    relative = Row(None, GrokImagine("a", image_urls=[Path("x.png")]), None, {})
    assert json.loads(dump_row(relative))["input"]["image_urls"] == [
        str(tmp_path / "other" / "x.png")
    ]


def test_written_rows_are_readable() -> None:
    """Letters of any script are written as they are."""
    row = Row(1, GrokImagine("狐狸 ü"), "fox", {})
    assert dump_row(row) == (
        '{"model": "grok-imagine", "input": {"prompt": "狐狸 ü"}, "name": "fox"}'
    )
