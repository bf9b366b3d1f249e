"""Reading request bodies: JSON, and the three forms of an upload."""

import base64
import json
import re
from typing import Any
from urllib.parse import unquote, urlsplit

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from vidgo_async.sandbox.media.file_content import PIECE_SIZE
from vidgo_async.sandbox.state.checks import RefusedError, as_object, check_url, require
from vidgo_async.sandbox.state.uploads import IncomingFile, Uploads

MAX_JSON = 2**20
"""Bytes that a JSON body may have."""
MAX_UPLOAD = 32 * 2**20
"""Bytes that a JSON body with a file in it may have."""
DATA_URL = re.compile(r"data:[^,]*;base64,")


async def read_json(request: web.Request, limit: int = MAX_JSON) -> Any:
    """Return the decoded body.

    Raises:
        RefusedError: It is not JSON (400), or has more than `limit` bytes (413).
    """
    body = await request.read()
    if len(body) > limit:
        raise RefusedError(413, "payload_too_large", "the body is too large")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, "validation_error", "the body must be JSON") from error


async def read_upload(request: web.Request, uploads: Uploads) -> IncomingFile:
    """Read an upload, in the form that the end of its path names.

    Raises:
        RefusedError: It is not in that form (400, or 422 if the file is missing).
    """
    kind = request.match_info["kind"]
    if kind == "stream":
        return await _read_multipart(request)
    fields = as_object(await read_json(request, MAX_UPLOAD), "the body")
    file = IncomingFile(
        file_name=_text(fields, "file_name"), upload_path=_text(fields, "upload_path")
    )
    if kind == "base64":
        file.add(_decoded(_text(fields, "base64_data")))
    else:
        url = _text(fields, "file_url")
        check_url(url, "file_url")
        file.source_url = url
        file.original_name = unquote(urlsplit(url).path.rpartition("/")[2]) or None
        file.add(uploads.data_at(url))
    return file


def _text(fields: dict[str, Any], name: str) -> str:
    text = fields.get(name, "")
    require(isinstance(text, str), f"{name} must be a string")
    return str(text)


def _decoded(text: str) -> bytes:
    prefix = DATA_URL.match(text)
    try:
        return base64.b64decode(text[prefix.end() if prefix else 0 :], validate=True)
    except ValueError as error:
        raise RefusedError(400, "validation_error", "base64_data is not base64") from error


async def _read_multipart(request: web.Request) -> IncomingFile:
    # A body of another type lacks the part too: FastAPI, whose error this is, says the same.
    is_form = request.content_type == "multipart/form-data"
    try:
        file = await _read_form(await request.multipart()) if is_form else None
    except (ValueError, LookupError, HttpProcessingError) as error:
        raise RefusedError(400, "validation_error", "the form cannot be read") from error
    if file is None:
        raise RefusedError(422, "missing", "Field required", loc=("body", "file"))
    return file


async def _read_form(form: MultipartReader) -> IncomingFile | None:
    """Read a form chunk by chunk, so that a large file takes no memory."""
    file: IncomingFile | None = None
    texts = {"file_name": "", "upload_path": ""}
    while (part := await form.next()) is not None:
        if not isinstance(part, BodyPartReader):  # a form in a form
            continue
        if part.name == "file" and part.filename is not None:
            require(file is None, "Only one file can be uploaded at a time")
            file = IncomingFile(original_name=part.filename)
            while not part.at_eof():
                file.add(await part.read_chunk(PIECE_SIZE))
        elif part.name in texts:
            texts[part.name] = await part.text()
    if file:
        file.file_name, file.upload_path = texts["file_name"], texts["upload_path"]
    return file
