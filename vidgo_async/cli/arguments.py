"""From what was typed to checked requests; nothing is sent or bought here."""

import contextlib
import json
import sys
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import attrs

from vidgo_async._session.arguments import as_task
from vidgo_async.requests import GenerationRequest, GrokImagine, TypedRequest

BAD_USAGE = 2


@contextlib.contextmanager
def usage_errors() -> Generator[None]:
    """Turn wrong arguments into one plain sentence and exit status 2."""
    try:
        yield
    except (ValueError, TypeError) as error:
        sys.stderr.write(f"vidgo-async: {error}\n")
        sys.exit(BAD_USAGE)


def as_task_ids(task_ids: Sequence[str]) -> list[str]:
    """Check task ids, and drop repeated ones."""
    return [as_task(task_id).task_id for task_id in dict.fromkeys(task_ids)]


def as_output_folder(folder: Path) -> Path:
    """Make a folder if need be, and check that files can be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        msg = f"cannot save into {folder}: {error.strerror}"
        raise ValueError(msg) from error


def as_requests(
    prompts: Sequence[str], model: str, settings: Sequence[str], image: str | None
) -> list[GenerationRequest | TypedRequest]:
    """Make a request for each prompt."""
    parameters = _parse(settings) | _image_parameters(model, image)
    return [_request(model, prompt, parameters) for prompt in prompts]


def _parse(settings: Sequence[str]) -> dict[str, Any]:
    """Read key=value pairs; a value that is JSON is read as JSON, any other as text."""
    parameters: dict[str, Any] = {}
    for setting in settings:
        key, separator, value = setting.partition("=")
        if not key or not separator:
            msg = f"--set takes key=value, not {setting!r}"
            raise ValueError(msg)
        if key == "prompt":
            msg = "--set cannot change the prompts; give them as they are"
            raise ValueError(msg)
        try:
            parameters[key] = json.loads(value)
        except ValueError:
            parameters[key] = value
    return parameters


def _image_parameters(model: str, image: str | None) -> dict[str, Any]:
    """Return the parameter that holds the picture to begin with."""
    if image is None:
        return {}
    if model != GrokImagine.model:
        msg = f"--image is for {GrokImagine.model}; for {model} use --set and its own parameter"
        raise ValueError(msg)
    is_url = image.startswith(("http://", "https://", "data:"))
    return {"image_urls": [image if is_url else _existing_file(Path(image))]}


def _existing_file(path: Path) -> Path:
    if not path.is_file():
        msg = f"--image {path}: there is no such file"
        raise ValueError(msg)
    return path


def _request(
    model: str, prompt: str, parameters: dict[str, Any]
) -> GenerationRequest | TypedRequest:
    """Make a checked request where the model is known, else a free-form one."""
    if model != GrokImagine.model:
        return GenerationRequest(model, {"prompt": prompt, **parameters})
    known = [field.name for field in attrs.fields(GrokImagine) if field.name != "prompt"]
    for name in parameters:
        if name not in known:
            msg = f"{model} has no parameter {name!r}; it has {', '.join(known)}"
            raise ValueError(msg)
    values: dict[str, Any] = {"prompt": prompt, **parameters}
    return GrokImagine(**values)
