"""Which file the served model is in."""

from __future__ import annotations

from pathlib import Path

from model.artefact import labels_of
from model.errors import ArtefactError
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


def check_artefact(chosen: Settings) -> None:
    """Look at the artefact, but not at its weights, before a program starts that needs it.

    Raises:
        ArtefactError: it is none; the message names the setting.
        StoreError: it could not be had.
    """
    try:
        labels_of(artefact_path(chosen))
    except ArtefactError as error:
        setting = "SKYLANE_ARTEFACT_URL" if chosen.artefact_url else "SKYLANE_ARTEFACT"
        raise ArtefactError(f"{setting}: {error}") from error
