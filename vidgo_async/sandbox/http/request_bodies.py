"""Reading what clients send: JSON, and files in the three ways of the upload calls."""

import base64
import json
import re
from typing import Any
from urllib.parse import unquote, urlsplit

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from vidgo_async.sandbox.media.file_content import PIECE
from vidgo_async.sandbox.state.checks import RefusedError, as_object, check_url, require
from vidgo_async.sandbox.state.uploads import Parcel, Uploads

MAX_JSON = 2**20
"""Bytes that a body of JSON may have."""
MAX_UPLOAD = 32 * 2**20
"""Bytes that it may have where it holds a file."""
DATA_URL = re.compile(r"data:[^,]*;base64,")


async def read_json(request: web.Request, limit: int = MAX_JSON) -> Any:
    """Return the body decoded.

    Raises:
        RefusedError: It is no JSON (400), or has more than `limit` bytes (413).
    """
    body = await request.read()
    if len(body) > limit:
        raise RefusedError(413, "payload_too_large", "the body is too large")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, "validation_error", "the body must be JSON") from error


async def receive(request: web.Request, uploads: Uploads) -> Parcel:
    """Read an upload; the last word of its path says in which form it comes.

    Raises:
        RefusedError: It is not in that form (400, or 422 where a part is missing).
    """
    kind = request.match_info["kind"]
    if kind == "stream":
        return await _multipart(request)
    fields = as_object(await read_json(request, MAX_UPLOAD), "the body")
    parcel = Parcel(_text(fields, "file_name"), _text(fields, "upload_path"))
    if kind == "base64":
        parcel.add(_decoded(_text(fields, "base64_data")))
    else:
        url = _text(fields, "file_url")
        check_url(url, "file_url")
        parcel.source_url = url
        parcel.original_name = unquote(urlsplit(url).path.rpartition("/")[2]) or None
        parcel.add(uploads.at_address(url))
    return parcel


def _text(fields: dict[str, Any], name: str) -> str:
    text = fields.get(name, "")
    require(isinstance(text, str), f"{name} must be a string")
    return str(text)


def _decoded(text: str) -> bytes:
    start = DATA_URL.match(text)
    try:
        return base64.b64decode(text[start.end() if start else 0 :], validate=True)
    except ValueError as error:
        raise RefusedError(400, "validation_error", "base64_data is not base64") from error


async def _multipart(request: web.Request) -> Parcel:
    # What is no form at all lacks the part too, as in the framework whose errors these are.
    is_form = request.content_type == "multipart/form-data"
    try:
        parcel = await _read_form(await request.multipart()) if is_form else None
    except (ValueError, LookupError, HttpProcessingError) as error:
        raise RefusedError(400, "validation_error", "the form cannot be read") from error
    if parcel is None:
        raise RefusedError(422, "missing", "Field required", loc=("body", "file"))
    return parcel


async def _read_form(form: MultipartReader) -> Parcel | None:
    """Read a form as it comes, however long it is."""
    parcel: Parcel | None = None
    texts = {"file_name": "", "upload_path": ""}
    while (part := await form.next()) is not None:
        if not isinstance(part, BodyPartReader):  # a form in a form
            continue
        if part.name == "file" and part.filename is not None:
            require(parcel is None, "Only one file can be uploaded at a time")
            parcel = Parcel(original_name=part.filename)
            while not part.at_eof():
                parcel.add(await part.read_chunk(PIECE))
        elif part.name in texts:
            texts[part.name] = await part.text()
    if parcel:
        parcel.file_name, parcel.upload_path = texts["file_name"], texts["upload_path"]
    return parcel
