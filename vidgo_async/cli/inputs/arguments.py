"""From what was typed to checked requests; nothing is sent or bought here."""

import contextlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import attrs

from vidgo_async._files.upload_source import check_source
from vidgo_async._session.arguments import as_task
from vidgo_async.cli.outputs.lines import print_line
from vidgo_async.requests import GenerationRequest, GrokImagine, TypedRequest
from vidgo_async.requests.media import DATA, as_medium, is_media_field

BAD_USAGE = 2
PICTURES = "image_urls"
"""The field of the known model that holds the picture to begin with."""
MANY = "_urls"
"""The end of the fields that hold a list (catalogue); one medium may be given without a list."""

_FIELDS = tuple(field.name for field in attrs.fields(GrokImagine))
_URL = re.compile(r"(?i)https?://|data:")
_WORDS = {
    "set VIDGO_API_KEY in the environment, or pass api_key": (
        "set VIDGO_API_KEY in the environment; --sandbox needs none"
    ),
    "GrokImagine.": "",
    " (GenerationRequest(model, input) sends anything)": "",
    "new_key=True": "--new-key",
}
"""What the library calls a thing, and how it is called here."""
_NO_TEXT = re.compile("[\\0\ud800-\udfff]")
"""A NUL, and what no UTF-8 can carry: halves of characters, or bytes that were no UTF-8."""


@contextlib.contextmanager
def usage_errors() -> Generator[None]:
    """Turn wrong arguments into one plain sentence and exit status 2."""
    try:
        yield
    except (ValueError, TypeError, OSError) as error:
        text = plain(str(error))
        heading = "wrong rows, so nothing was bought:\n" if "\n" in text else ""
        print_line(sys.stderr, f"vidgo-async: {heading}{text}")
        sys.exit(BAD_USAGE)


def plain(text: str) -> str:
    """Return an error of the library in the words of the program."""
    for words, instead in _WORDS.items():
        text = text.replace(words, instead)
    return text


def as_task_ids(task_ids: Sequence[str]) -> list[str]:
    """Check task ids, and drop repeated ones."""
    check_some("task ids", task_ids)
    return [as_task(task_id).task_id for task_id in dict.fromkeys(task_ids)]


def check_some(what: str, given: Sequence[object]) -> None:
    """Refuse none at all."""
    if not given:
        msg = f"no {what} were given; give one or more"
        raise ValueError(msg)


def as_output_folder(folder: Path) -> Path:
    """Make a folder if need be, and check that files can be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        msg = f"cannot save into {folder}: {error.strerror}"
        raise ValueError(msg) from error


def check_output_folder(folder: Path) -> None:
    """Check that files could be written to a folder, or that it could be made; makes nothing."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
        msg = f"cannot save into {folder}: {place} takes no files"
        raise ValueError(msg)


@attrs.frozen
class Defaults:
    """What the options of a command say of each request."""

    model: str
    settings: Sequence[str] = ()
    """The words of `--set`."""
    image: str | None = None


def as_requests(
    prompts: Sequence[str], model: str, settings: Sequence[str], image: str | None
) -> list[GenerationRequest | TypedRequest]:
    """Make a request for each prompt."""
    maker = RequestMaker(Defaults(model, settings, image), Path())
    return [maker.make({"prompt": prompt}) for prompt in prompts]


class RequestMaker:
    """Makes checked requests: of what each has of its own, and of what the options say."""

    def __init__(self, defaults: Defaults, folder: Path) -> None:
        self._model = defaults.model
        self._folder = folder.absolute()
        """What paths of a request's own are relative to."""
        self._pictures: dict[tuple[Path, str], str | Path] = {}
        """Pictures that passed the checks: rows often share one."""
        settings = _parse(defaults.settings)
        self._settings = {**settings, **self._media_in(settings, Path().absolute())}
        self._image: str | Path | None = None
        if defaults.image is not None:
            self._image = _picture("--image", defaults.image, Path().absolute())

    def make(
        self, own: Mapping[str, Any], model: str | None = None, image: str | None = None
    ) -> GenerationRequest | TypedRequest:
        """Make a request; its own fields, model and image win over the options."""
        model = self._model if model is None else model
        prompt = {"prompt": own["prompt"]} if "prompt" in own else {}
        media = {**self._media_in(own, self._folder), **self._image_of(model, own, image)}
        request = _request(model, {**prompt, **self._settings, **own, **media})
        _check_texts("model", request.model)
        for name, value in request.input.items():
            _check_texts("the name of a field", name)
            _check_texts(name, value)
        return request

    def _image_of(self, model: str, own: Mapping[str, Any], image: str | None) -> dict[str, Any]:
        """Return the picture to begin with, if the request has none of its own."""
        if image is not None and PICTURES in own:
            msg = f"image and {PICTURES} are the same; give one of them"
            raise ValueError(msg)
        if image is not None:
            _check_takes_image("image", model)
            return {PICTURES: [self._picture("image", image, self._folder)]}
        if PICTURES not in own and self._image is not None:
            _check_takes_image("--image", model)
            return {PICTURES: [self._image]}
        return {}

    def _media_in(self, fields: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        """Make paths of the texts that are no URLs, in the fields that hold media.

        The API takes URLs there, so a text that is none can only be a picture to upload.
        """
        media = {name: value for name, value in fields.items() if is_media_field(name)}
        return {name: self._media_of(name, value, folder) for name, value in media.items()}

    def _media_of(self, name: str, value: Any, folder: Path) -> Any:
        if isinstance(value, str):
            picture = self._picture(name, value, folder)
            return [picture] if name.endswith(MANY) else picture
        if not isinstance(value, list):
            return value
        items = cast("list[object]", value)
        return [
            self._picture(name, item, folder) if isinstance(item, str) else item for item in items
        ]

    def _picture(self, where: str, text: str, folder: Path) -> str | Path:
        if (folder, text) not in self._pictures:
            self._pictures[folder, text] = _picture(where, text, folder)
        return self._pictures[folder, text]


def read_value(text: str) -> Any:
    """Read a value that is JSON as JSON, any other as text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _parse(settings: Sequence[str]) -> dict[str, Any]:
    """Read key=value pairs."""
    parameters: dict[str, Any] = {}
    for setting in settings:
        key, separator, value = setting.partition("=")
        if not key or not separator:
            msg = f"--set takes key=value, not {setting!r}"
            raise ValueError(msg)
        if key == "prompt":
            msg = "--set cannot change the prompts; give them as they are"
            raise ValueError(msg)
        parameters[key] = read_value(value)
    return parameters


def _check_takes_image(where: str, model: str) -> None:
    if model != GrokImagine.model:
        msg = f"{where} is for {GrokImagine.model}; for {model} use its own field for pictures"
        raise ValueError(msg)


def _picture(where: str, text: str, folder: Path) -> str | Path:
    """Check a picture as far as can be without the network; return its URL or absolute path."""
    if _URL.match(text):
        url: str = as_medium(text)
        if url.startswith(DATA):
            check_source(url)
        return url  # the request checks an http(s) URL
    path = folder / text
    try:
        check_source(path)
    except FileNotFoundError as error:
        msg = f"{where} {text}: there is no such file"
        raise ValueError(msg) from error
    except OSError as error:
        msg = f"{where} {text}: {error.strerror}"
        raise ValueError(msg) from error
    except ValueError as error:
        msg = f"{where} {error}"
        raise ValueError(msg) from error
    return path


def _request(model: str, values: Mapping[str, Any]) -> GenerationRequest | TypedRequest:
    """Make a checked request where the model is known, else a free-form one."""
    if model != GrokImagine.model:
        return GenerationRequest(model, values)
    for name in values:
        if name not in _FIELDS:
            known = ", ".join(field for field in _FIELDS if field != "prompt")
            msg = f"{model} has no parameter {name!r}; it has {known}"
            raise ValueError(msg)
    filled: dict[str, Any] = {"prompt": "", **values}  # an empty one is refused by name
    return GrokImagine(**filled)


def _check_texts(name: str, value: object) -> None:
    """Refuse text that no request can carry; `value` is no deeper than a request may be."""
    match value:
        case str():
            if _NO_TEXT.search(value):
                msg = f"{name} has a character that cannot be sent: {value[:80]!r}"
                raise ValueError(msg)
        case dict():
            fields = cast("dict[str, object]", value)
            _check_all(name, fields)
            _check_all(name, fields.values())
        case list():
            _check_all(name, cast("list[object]", value))
        case _:
            pass


def _check_all(name: str, values: Iterable[object]) -> None:
    for value in values:
        _check_texts(name, value)
