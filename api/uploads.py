"""POST /upload, /upload-image and /upload_batch: the request's forms, and the answers."""

from __future__ import annotations

import base64
import binascii
from contextlib import closing
from typing import Any, NamedTuple
from uuid import UUID

from flask import Response, g, jsonify, request, url_for
from flask_openapi3 import APIBlueprint, Tag
from werkzeug.datastructures import FileStorage

import tracing
from api import uploads_openapi as documentation
from api.errors import Problem
from api.forms import no_file, read_json, reading
from api.intake import Upload
from api.schemas import prediction_out
from api.services import Services, services
from api.waiting import wanted_wait
from model.formats import ACCEPTED, MEDIA_TYPES, SIGNATURE_BYTES, sniff
from store.records import OURS
from tasks.adoption import printable

blueprint = APIBlueprint(
    "uploads", __name__, abp_tags=[Tag(name="upload", description="Send images.")]
)

MAX_NAME_CHARACTERS = 255
FORM_BYTES = 64 * 1024  # for the names and headers in a form
FORMS = "multipart/form-data with `file`, an image/* body, or JSON with `image_base64`"


class Sent(NamedTuple):
    """An image as a request has it, not yet checked."""

    name: str
    data: bytes
    label: str | None
    request_id: UUID | None


@blueprint.post("/upload", **documentation.UPLOAD)
def upload() -> Response:
    """Classify one image."""
    return _upload()


@blueprint.post("/upload-image", **documentation.UPLOAD)
def upload_image() -> Response:
    """Classify one image, under the name that the cloud's clients use."""
    return _upload()


@blueprint.post("/upload_batch", **documentation.UPLOAD_BATCH)
def upload_batch() -> Response:
    """Classify several images; each is answered for by itself."""
    at_hand = services()
    wait_s = wanted_wait(at_hand.settings.default_wait_s, at_hand.settings.longest_wait_s)
    with at_hand.admission.reading(request.content_length):
        files, ids, good, results = _batch(at_hand)
    numbers, uploads = list(good), list(good.values())
    del good
    rows = at_hand.intake.accept(uploads, wait_s) if uploads else []
    g.request_ids = [row["request_id"] for row in rows if row]
    for number, row in zip(numbers, rows, strict=True):
        results[number] = (
            prediction_out(row, at_hand.images.bucket)
            if row
            else _rejected(_clean_name(files[number].filename), _taken(ids[number]))
        )
    if all(result["status"] == "rejected" for result in results):
        raise Problem(422, "no_valid_file", "None of the files is acceptable.", results=results)
    finished = all(result["status"] not in ("pending", "running") for result in results)
    response = jsonify(count=len(results), results=results, resources=at_hand.load())
    response.status_code = 200 if finished else 202
    return response


def _batch(
    at_hand: Services,
) -> tuple[list[FileStorage], list[UUID | None], dict[int, Upload], list[dict[str, Any]]]:
    """Read a form: its files, which are closed then, and their ids, if they have any.

    Then, by their numbers, those that are acceptable, and of each file how it was rejected, if so.
    """
    with reading():
        files = request.files.getlist("files")
        labels = request.form.getlist("true_label")
        ids = [_uuid(text) for text in request.form.getlist("request_id")]
    if not files:
        raise no_file("files", "; send at least one.")
    if labels and len(labels) != len(files):
        raise Problem(
            422,
            "wrong_number_of_labels",
            f"{len(labels)} `true_label` for {len(files)} `files`: send one for each, in their"
            " order (empty where unknown), or none.",
        )
    if ids and len(ids) != len(files):
        raise Problem(
            422,
            "wrong_number_of_request_ids",
            f"{len(ids)} `request_id` for {len(files)} `files`: send one for each, in their"
            " order, or none.",
        )
    if len(set(ids)) != len(ids):
        raise Problem(422, "invalid_field", "Two files of the form have the same `request_id`.")

    good: dict[int, Upload] = {}
    results: list[dict[str, Any]] = []
    for number, file in enumerate(files):
        name = _clean_name(file.filename)
        try:
            label = labels[number] if labels else None
            request_id = ids[number] if ids else None
            good[number] = _checked(Sent(name, file.read(), label, request_id), at_hand)
            results.append({})
        except Problem as problem:
            results.append(_rejected(name, problem))
        file.close()  # the form's copy, which is on a tmpfs in a container, and so in memory
    return files, ids, good, results


def _upload() -> Response:
    at_hand = services()
    # One image, in base64 at the worst, and the form around it.
    one_image = at_hand.settings.max_image_bytes * 4 // 3 + FORM_BYTES
    request.max_content_length = min(one_image, at_hand.settings.max_body_bytes)
    wait_s = wanted_wait(at_hand.settings.default_wait_s, at_hand.settings.longest_wait_s)
    _check_label(request.args.get("true_label"), at_hand)  # even where the body has another
    with at_hand.admission.reading(request.content_length), reading():
        sent = _one_image()
    uploads, request_id = [_checked(sent, at_hand)], sent.request_id
    del sent  # who waits keeps no image in memory
    [row] = at_hand.intake.accept(uploads, wait_s)
    if row is None:
        raise _taken(request_id)
    g.request_ids = [row["request_id"]]
    prediction = prediction_out(row, at_hand.images.bucket)
    location = url_for("results.result", request_id=row["request_id"])
    if row["status"] == "failed":
        raise Problem(
            500 if row["error_code"] in OURS else 422,
            row["error_code"],
            row["error_detail"],
            request_id=row["request_id"],
            accepted_formats=list(MEDIA_TYPES),
        )
    response = jsonify({**prediction, "resources": at_hand.load()})
    if row["status"] != "done":
        response.status_code = 202
        response.headers["Retry-After"] = "1"
    response.headers["Location"] = location
    return response


def _one_image() -> Sent:
    """Find the image in the request, and what was sent along: in its body, else in its query."""
    label = request.args.get("true_label")
    name = request.args.get("filename")
    chosen = _uuid(request.args.get("request_id"))
    if request.mimetype == "multipart/form-data":
        if (file := request.files.get("file")) is None:
            raise no_file("file", f". Send {FORMS}.")
        form = request.form
        request_id = _uuid(form.get("request_id")) or chosen
        label = form.get("true_label", label)
        with closing(file):  # the form's copy, as in a batch
            return Sent(_clean_name(file.filename or name), file.read(), label, request_id)
    if request.mimetype.startswith("image/"):
        data = request.get_data(cache=False)
        if request.content_length not in (None, len(data)):
            raise Problem(
                400,
                "incomplete_body",
                f"{len(data)} bytes came of the {request.content_length} announced.",
            )
        return Sent(_clean_name(name), data, label, chosen)
    if request.is_json:
        document = read_json()
        if not isinstance(document, dict) or not isinstance(document.get("image_base64"), str):
            raise Problem(400, "missing_field", f"The JSON has no `image_base64`. Send {FORMS}.")
        for field in ("filename", "true_label", "request_id"):
            if not isinstance(document.get(field), str | None):
                raise Problem(422, "invalid_field", f"`{field}` must be a string.")
        said = {field: value for field, value in document.items() if value is not None}
        name, label = said.get("filename", name), said.get("true_label", label)
        request_id = _uuid(said.get("request_id")) or chosen
        return Sent(_clean_name(name), _from_base64(said["image_base64"]), label, request_id)
    raise Problem(
        415,
        "unsupported_media_type",
        f"Content-Type {request.mimetype or '(none)'!r} is not accepted. Send {FORMS}.",
    )


def _from_base64(text: str) -> bytes:
    if text.startswith("data:"):  # as browsers write it: data:image/png;base64,…
        text = text.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Problem(400, "invalid_base64", f"`image_base64` is not base64: {error}.") from error


def _uuid(text: str | None) -> UUID | None:
    """Read the id that a client chose for its image."""
    if text is None:
        return None
    try:
        # UUID() takes braces and underscores too, and hyphens anywhere.
        if str(request_id := UUID(text)) == text.lower():
            return request_id
    except ValueError:
        pass
    raise Problem(422, "invalid_field", f"`request_id` {text[:80]!r} is no UUID.")


def _taken(request_id: UUID | None) -> Problem:
    return Problem(
        409,
        "request_id_taken",
        "Another image was sent under this `request_id`; choose a new one for this image.",
        request_id=str(request_id),
    )


def _rejected(name: str, problem: Problem) -> dict[str, Any]:
    return {"filename": name, "status": "rejected", "error": problem.as_dict()}


def _checked(sent: Sent, at_hand: Services) -> Upload:
    """Check what can be checked without decoding; raises ``Problem``."""
    name, data, label, request_id = sent
    if not data:
        raise Problem(400, "empty_file", "The file has no bytes.")
    if len(data) > at_hand.settings.max_image_bytes:
        limit = at_hand.settings.max_image_bytes
        raise Problem(
            413,
            "image_bytes_too_many",
            f"The image has {len(data)} bytes; at most {limit} are accepted.",
            max_bytes=limit,
        )
    # The bytes decide, whatever the client calls them: a PNG named .jpg is common.
    image_format = sniff(data[:SIGNATURE_BYTES])
    if image_format is None:
        raise Problem(
            415,
            "not_an_image",
            f"The file is not an image of an accepted format ({ACCEPTED}).",
            accepted_formats=list(MEDIA_TYPES),
        )
    _check_label(label, at_hand)
    return Upload(
        name, data, MEDIA_TYPES[image_format], label or None, tracing.current(), request_id
    )


def _check_label(label: str | None, at_hand: Services) -> None:
    if label and label not in at_hand.labels:
        raise Problem(
            422,
            "unknown_label",
            f"`true_label` {label[:80]!r} is not a class of the model.",
            accepted_labels=at_hand.labels,
        )


def _clean_name(name: str | None) -> str:
    text = (name or "").encode("utf-8", "replace").decode()
    return printable(text)[-MAX_NAME_CHARACTERS:] or "unnamed"
