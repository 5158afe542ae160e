"""Uploads straight to S3: a form for the client to send there, and what is done afterwards.

For images over what a function may be sent (6 MB with base64), and for clients that have
many. In the cloud the stored object is an event; on-prem the client says that it is there.
"""

from __future__ import annotations

from uuid import uuid4

from flask import Response, g, jsonify, url_for
from flask_openapi3 import APIBlueprint, Tag

from api.errors import Problem
from api.schemas import (
    Complete,
    Prediction,
    Presign,
    Presigned,
    ProblemDocument,
    prediction_out,
)
from api.services import services
from store.errors import ImageNotFound
from store.images import S3Images
from store.references import Reference
from tasks.adoption import OURS, adopt, key_of, notes_of

blueprint = APIBlueprint(
    "presign",
    __name__,
    abp_tags=[Tag(name="upload", description="Send images.")],
    abp_responses={503: ProblemDocument},
)

VALID_S = 900


@blueprint.post(
    "/uploads/presign",
    responses={
        200: Presigned,
        422: ProblemDocument,
        429: ProblemDocument,
        501: ProblemDocument,
    },
)
def presign(body: Presign) -> Response:
    """Get a form for one image: send its `fields`, and `file` last, to its `url`."""
    at_hand = services()
    images = _s3()
    if body.true_label and body.true_label not in at_hand.labels:
        raise Problem(
            422,
            "unknown_label",
            f"`true_label` {body.true_label[:80]!r} is not a class of the model.",
            accepted_labels=at_hand.labels,
        )
    at_hand.admission.check(None)
    request_id = uuid4()
    limit = at_hand.settings.max_image_bytes
    key, form = images.presign(
        key_of(request_id),
        notes=notes_of(body.filename, body.true_label),
        max_bytes=limit,
        valid_s=VALID_S,
    )
    return jsonify(
        request_id=str(request_id),
        key=key,
        url=form["url"],
        fields=form["fields"],
        max_bytes=limit,
        valid_s=VALID_S,
        result=url_for("results.result", request_id=request_id),
    )


@blueprint.post(
    "/uploads/complete",
    responses={
        200: Prediction,
        202: Prediction,
        404: ProblemDocument,
        422: ProblemDocument,
        429: ProblemDocument,
        501: ProblemDocument,
    },
)
def complete(body: Complete) -> Response:
    """Say that the image of a presigned form was sent. In the cloud this may be left out."""
    at_hand = services()
    images = _s3()
    if at_hand.settings.lane == "on-prem":  # in the cloud it is accepted by then, by S3's event
        at_hand.admission.check(None)
    if not OURS.fullmatch(images.below_prefix(body.key) or ""):
        raise Problem(422, "invalid_parameter", "`key` is not one that a form was made for.")
    try:
        reference = images.describe(Reference(body.key)).reference
    except ImageNotFound as error:
        raise Problem(404, "not_found", "Nothing was sent by this form yet.") from error
    progress = adopt(
        [reference],
        predictions=at_hand.predictions,
        images=images,
        labels=at_hand.labels,
        lane=at_hand.settings.lane,
    )
    if reference not in progress:
        raise Problem(503, "store_unavailable", "The image store does not give this image.")
    if not progress[reference].finished:
        at_hand.intake.announce([reference])
    rows = at_hand.predictions.of([reference])
    if not rows:  # deleted while it was looked at
        raise Problem(404, "not_found", "What was sent by this form is gone.")
    [row] = rows
    g.request_ids = [row["request_id"]]
    response = jsonify(prediction_out(row, images.bucket))
    response.status_code = 200 if progress[reference].finished else 202
    response.headers["Location"] = url_for("results.result", request_id=row["request_id"])
    return response


def _s3() -> S3Images:
    images = services().images
    if not isinstance(images, S3Images):
        raise Problem(
            501,
            "no_presigned_uploads",
            "Images are kept in files here, and there is no S3 to send them to: use /upload.",
        )
    return images
