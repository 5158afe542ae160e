"""GET /images/<request_id>: the picture back, byte for byte."""

from __future__ import annotations

from flask import Response, redirect, request
from flask_openapi3 import APIBlueprint, Tag
from werkzeug.http import quote_etag
from werkzeug.wrappers import Response as Redirect
from werkzeug.wsgi import wrap_file

from api.errors import Problem
from api.schemas import ProblemDocument, RequestPath
from api.services import services
from model.formats import MEDIA_TYPES, SIGNATURE_BYTES, sniff
from store.images import S3Images
from store.references import Reference
from tasks.adoption import UNKNOWN_TYPE

blueprint = APIBlueprint(
    "images",
    __name__,
    abp_tags=[Tag(name="images", description="Get images back.")],
    abp_responses={503: ProblemDocument},
)

PIECE_BYTES = 64 * 1024  # of what is no file of the system, and sent so
VALID_S = 300  # an address on S3 that a client is sent to


@blueprint.get(
    "/images/<request_id>",
    responses={
        200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}},
        404: ProblemDocument,
        422: ProblemDocument,
    },
)
def image(path: RequestPath) -> Response | Redirect:
    """Get an uploaded image."""
    at_hand = services()
    rows = at_hand.predictions.get([str(path.request_id)])
    if not rows:
        raise Problem(404, "not_found", f"No image has the request_id {path.request_id}.")
    row = rows[0]
    reference = Reference(row["storage_key"], row["storage_version"])
    if isinstance(at_hand.images, S3Images) and row["size_bytes"] > at_hand.settings.max_body_bytes:
        # More than an answer may carry where a request may not either: S3 gives it itself.
        return redirect(
            at_hand.images.presigned_get(
                reference, content_type=row["content_type"], valid_s=VALID_S
            ),
        )
    # A file, so that who reads slowly holds a piece of it in memory, and not all.
    file, size_bytes = at_hand.images.open(reference)
    # Our name for the type, not the client's, and nothing in it may run: a file can be a
    # sound JPEG and a sound HTML page at once.
    image_format = sniff(file.read(SIGNATURE_BYTES))  # which a presigned upload does not say
    file.seek(0)
    response = Response(
        wrap_file(request.environ, file, PIECE_BYTES),
        content_type=MEDIA_TYPES[image_format] if image_format else UNKNOWN_TYPE,
        direct_passthrough=True,
    )
    response.content_length = size_bytes
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    # What is no image is not shown, whatever else it may be.
    response.headers["Content-Disposition"] = "inline" if image_format else "attachment"
    response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    response.headers["ETag"] = quote_etag(row["sha256"] or str(row["request_id"]))
    response.make_conditional(request)
    return response
