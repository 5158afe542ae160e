"""Images that no row names, and their going.

An API that is killed between storing an image and inserting its row leaves one. Nobody was told of
it, and neither `DELETE` nor retention, which go by rows, ever finds it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice

from local.errors import LocalError
from store.database import Database
from store.images import FileImages, ImageStore
from store.references import Reference
from tasks.adoption import OURS

PAGE_IMAGES = 1000
# A row comes seconds after its image. What is younger may still get one.
OLD_S = 86_400.0


def prune_orphans(
    database: Database, images: ImageStore, *, dry_run: bool = False, older_than_s: float = OLD_S
) -> int:
    """Delete the images that are so old and have no row; return how many, or would go.

    What the API would not have named so is somebody else's: the folder may be any of the user's.

    Raises:
        LocalError: images are not files or cannot be listed, or more of them have no row than
            have one: then it is another database's folder.
        StoreError: the database failed.
    """
    if not isinstance(images, FileImages):
        raise LocalError("Images without rows are looked for in files, and these are on S3.")
    try:
        with_row = without = 0
        for named, orphans in _pages(database, images, older_than_s):
            with_row += named
            without += len(orphans)
        if without > with_row:
            raise LocalError(
                f"{without} images have no row and {with_row} have one: this looks like another"
                " database's folder. Nothing was deleted."
            )
        if dry_run:
            return without
        pages = _pages(database, images, older_than_s)
        return sum(len(images.delete_many(orphans)) for _, orphans in pages)
    except OSError as error:
        raise LocalError(f"The images cannot be listed: {error}") from error


def _pages(
    database: Database, images: FileImages, older_than_s: float
) -> Iterator[tuple[int, list[Reference]]]:
    """Yield, of some images at a time, how many have rows, and those without that are old."""
    keys = filter(OURS.fullmatch, images.all_keys())
    while some := list(islice(keys, PAGE_IMAGES)):
        born_before_s = time.time() - older_than_s
        old = {key for key in some if images.stored_at_s(key) < born_before_s}
        rows = database.query(
            "SELECT storage_key FROM predictions WHERE storage_key = ANY (%s)", (some,)
        )
        named = {row["storage_key"] for row in rows}
        yield len(named), [Reference(key) for key in old - named]
