"""GET /about: what this API is, takes and knows, so that a page need not be told; /config.json."""

from __future__ import annotations

from flask import Flask, Response, jsonify
from flask_openapi3 import APIBlueprint, Tag

from api.schemas import AboutOut
from api.services import services
from model.formats import MEDIA_TYPES

NAME, VERSION = "Skylane", "0.1.0"

blueprint = APIBlueprint(
    "about", __name__, abp_tags=[Tag(name="about", description="What this API is.")]
)


@blueprint.get("/about", responses={200: AboutOut})
def about() -> Response:
    """Say what this API is, what it takes, and what its model tells apart."""
    at_hand = services()
    chosen = at_hand.settings
    return jsonify(
        name=NAME,
        version=VERSION,
        lane=chosen.lane,
        labels=at_hand.labels,
        accepted_media_types=list(MEDIA_TYPES.values()),
        max_image_bytes=chosen.max_image_bytes,
        max_body_bytes=chosen.max_body_bytes,
        max_batch_files=chosen.max_batch_files,
        model_version=at_hand.model_version,
        events=chosen.lane == "on-prem",
        presigned_uploads=at_hand.images.bucket is not None,
    )


def register(app: Flask) -> None:
    """Serve ``/config.json``, which tells the page beside this API whose lanes to show.

    A page that is served from elsewhere brings a file of that name of its own.
    """

    @app.get("/config.json", doc_ui=False)
    def config() -> Response:
        apis = [{"name": "on-prem", "url": ""}]  # this one, wherever a proxy has put it
        if peer := services().settings.peer_api_url:
            apis.append({"name": "serverless", "url": peer.rstrip("/")})
        response = jsonify(apis=apis)
        response.headers["Cache-Control"] = "no-cache"
        return response
