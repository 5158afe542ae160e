"""Which file the served model is in."""

from __future__ import annotations

from pathlib import Path

from settings import Settings
from store.files import fetch


def artefact_path(chosen: Settings) -> Path:
    """Return the artefact's path, fetched from S3 once where the settings say so.

    Raises:
        ValueError: SKYLANE_ARTEFACT_URL is no address of a file with its digest.
        StoreError: it could not be had, or is not the one that was meant.
    """
    if not chosen.artefact_url:
        return chosen.artefact
    return fetch(chosen.artefact_url, chosen.home / "artefacts", chosen.s3_endpoint_url)
