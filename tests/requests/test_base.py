"""`GenerationRequest`: any model, and any input that JSON can carry."""

import math
import pickle
from collections import UserDict
from contextlib import nullcontext
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.requests import sent
from vidgo_async import GenerationRequest, GrokImagine
from vidgo_async.requests.base import MAX_DEPTH

URL = "https://example.com/fox.png"


class Size(NamedTuple):
    """A tuple with names, to be sent as a list."""

    width: int
    height: int


def test_a_generation_request_sends_anything() -> None:
    """The free-form request sends the model and the input just as they are."""
    inner: dict[str, Any] = {"a": [None, True, 1, 0.5, "", {"b": []}], "size": "768P"}

    assert sent(GenerationRequest("kling-3.0/pro", inner), URL) == {
        "model": "kling-3.0/pro",
        "callback_url": URL,
        "input": inner,
    }


def test_input_is_copied_deeply() -> None:
    """Whatever the caller does to the input later changes nothing."""
    inner: dict[str, Any] = {"list": [1, {"deep": [2]}], "dict": {"key": "value"}}
    request = GenerationRequest("any", inner)
    inner["list"][1]["deep"].append(3)
    inner["dict"]["key"] = "other"
    inner["new"] = 1

    assert request.input == {"list": [1, {"deep": [2]}], "dict": {"key": "value"}}
    assert sent(request)["input"] == {"list": [1, {"deep": [2]}], "dict": {"key": "value"}}


@pytest.mark.parametrize("value", [(1, (2,)), Size(1, (2,)), [1, [2]]])  # type: ignore[arg-type]
def test_tuples_become_lists(value: object) -> None:
    """Tuples are kept as the lists that JSON makes of them, so that equal is what is sent."""
    assert GenerationRequest("any", {"v": value}).input == {"v": [1, [2]]}


def test_any_mapping_is_a_dict() -> None:
    """Mappings of other kinds become plain dicts, inside too."""
    request = GenerationRequest("any", UserDict({"inner": UserDict({"a": 1})}))

    assert request.input == {"inner": {"a": 1}}
    assert type(request.input) is dict


@pytest.mark.parametrize(
    ("error", "path", "inner"),
    [
        (ValueError, "input.a", {"a": math.nan}),
        (ValueError, "input.a", {"a": math.inf}),
        (ValueError, "input.a[1]", {"a": [0, -math.inf]}),
        (TypeError, "input.a", {"a": {1}}),
        (TypeError, "input.a", {"a": b"x"}),
        (TypeError, "input.a[0].b", {"a": [{"b": object()}]}),
        (TypeError, "input.a", {"a": 1j}),
        (TypeError, "input has the key 1", {1: "x"}),
        (TypeError, "input.a[1] has the key None", {"a": [0, {None: 1}]}),
        (TypeError, "input.a has the key b'k'", {"a": {b"k": 1}}),
    ],
)
def test_what_json_cannot_carry(error: type[Exception], path: str, inner: Any) -> None:
    """A value or a key that JSON does not have is refused, and its path named."""
    with pytest.raises(error) as caught:
        GenerationRequest("any", inner)

    assert type(caught.value) is error
    assert str(caught.value).startswith((path + " ", path + ";"))


@pytest.mark.parametrize("kind", [list, dict])
def test_input_that_holds_itself(kind: type) -> None:
    """A list or dict that holds itself is refused, without endless recursion."""
    inner: Any = kind()
    if kind is list:
        inner.append(inner)
    else:
        inner["self"] = inner

    with pytest.raises(ValueError, match="holds itself"):
        GenerationRequest("any", {"a": inner})


@pytest.mark.parametrize(("levels", "refused"), [(MAX_DEPTH - 1, False), (MAX_DEPTH, True)])
def test_how_deep_an_input_may_be(levels: int, refused: bool) -> None:
    """An input nested so deeply that encoding it might fail later is refused at once."""
    inner: Any = "x"
    for _ in range(levels):
        inner = [inner]

    with pytest.raises(ValueError, match="too deeply") if refused else nullcontext():
        sent(GenerationRequest("any", {"a": inner}))


@pytest.mark.parametrize("inner", [None, [("a", 1)], "prompt", 5, b"{}"])
def test_input_must_be_a_dict(inner: Any) -> None:
    """An input of another type is refused by name."""
    with pytest.raises(TypeError, match=f"input must be a dict.*{type(inner).__name__}"):
        GenerationRequest("any", inner)


@pytest.mark.parametrize(
    ("error", "model"),
    [(ValueError, ""), (ValueError, " \n"), (TypeError, None), (TypeError, GrokImagine)],
)
def test_bad_models(error: type[Exception], model: Any) -> None:
    """An empty model, and one that is no string, are refused with an example."""
    with pytest.raises(error, match=r"model .*'grok-imagine'"):
        GenerationRequest(model, {})


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON))
def test_any_json_is_sent_unchanged(inner: dict[str, Any]) -> None:
    """Any JSON object is accepted, sent unchanged, and survives a pickle."""
    request = GenerationRequest("any", inner)

    assert sent(request)["input"] == inner
    assert pickle.loads(pickle.dumps(request)) == request
