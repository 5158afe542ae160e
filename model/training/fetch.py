"""EuroSAT from where its authors put it, by torchvision."""

from __future__ import annotations

from pathlib import Path
from zipfile import is_zipfile

from model.errors import DataError
from model.reference import architecture  # noqa: F401  (lets torchvision import)


def eurosat(folder: Path) -> Path:
    """Download EuroSAT RGB into ``folder``, once (90 MB), and return the archive's path.

    Raises:
        DataError: it could not be had; the message says what to do instead.
    """
    from torchvision.datasets import EuroSAT

    # The archive and not the folder it is unpacked to, which a kill could leave half full.
    archive = folder / "eurosat" / "EuroSAT.zip"
    if is_zipfile(archive):
        return archive
    try:
        EuroSAT(str(folder), download=True)
    except (OSError, RuntimeError) as error:  # no network, or not the bytes it should be
        raise DataError(
            f"EuroSAT could not be fetched ({error}). Give a copy: --data DIR_OR_ZIP"
        ) from error
    if not is_zipfile(archive):  # torchvision is content with what was unpacked from it
        unpacked = archive.parent / "2750"
        raise DataError(
            f"{unpacked} is there, and the archive that it came from is not: delete it, and EuroSAT"
            f" is fetched anew; or, if you know it to be whole, --data {unpacked}"
        )
    return archive
