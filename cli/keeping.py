"""`skylane backup`, `restore` and `prune`: keep what there is, and let go of what is old."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from cli.environment import environment

UNITS_S = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
OLDEST_S = 36_500 * UNITS_S["d"]


class Age(click.ParamType):  # type: ignore[type-arg]
    """An age such as 30d or 12h, in seconds."""

    name = "age"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read it, or fail with what it can be."""
        if isinstance(value, float):
            return value
        read = re.fullmatch(r"(\d+(?:\.\d+)?)([dhms])", str(value))
        if not read:
            self.fail(f"{value!r} is no age such as 30d, 12h, 15m or 90s.", param, ctx)
        age_s = float(read[1]) * UNITS_S[read[2]]
        if age_s > OLDEST_S:  # PostgreSQL has no such date
            self.fail(f"{value!r} is more than a hundred years.", param, ctx)
        return age_s


@contextmanager
def _told() -> Iterator[None]:
    from local.errors import LocalError
    from store.errors import StoreError

    try:
        yield
    except (LocalError, StoreError) as error:
        raise click.ClickException(str(error).strip()) from error


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def backup(folder: Path) -> None:
    """Copy all predictions and images into the new FOLDER, while Skylane runs or not.

    Images on S3 are not copied: the bucket's own versions or replication keep them.
    """
    chosen = environment()
    with _told():
        from local.backup import back_up

        copied = back_up(chosen, folder)
    images = "images left on S3" if copied.images is None else f"{copied.images} images"
    click.echo(f"{folder}: {copied.rows} predictions, {images}")


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def restore(folder: Path) -> None:
    """Fill an empty SKYLANE_HOME with what `skylane backup` copied to FOLDER.

    Or an empty DATABASE_URL and an empty folder of images: never one without the other.

    Then start Skylane: what was not finished is. An API key that was revoked after the backup
    was taken is live again.
    """
    chosen = environment()
    with _told():
        from local.backup import restore as run
        from local.stores import check_images

        check_images(chosen)
        copied, live_keys = run(chosen, folder)
    click.echo(f"restored {copied.rows} predictions")
    if live_keys:
        click.echo(f"API keys that are live as of the backup: {', '.join(live_keys)}.")
        click.echo("Revoke again what was revoked since: skylane keys revoke NAME")


@click.command()
@click.option("--older-than", "age_s", type=Age(), metavar="AGE", help="30d, 12h")
@click.option("--orphans", is_flag=True, help="Instead: images older than a day that no row names.")
@click.option("--dry-run", is_flag=True, help="Only say how many there are.")
def prune(age_s: float | None, orphans: bool, dry_run: bool) -> None:
    """Delete finished predictions that were accepted so long ago, and their images.

    Or, with --orphans, images of uploads that a killed API never answered.
    """
    if (age_s is None) != orphans:
        raise click.UsageError("Say one of --older-than AGE and --orphans.")
    chosen = environment()
    with _told():
        from local.home import require
        from local.orphans import prune_orphans
        from local.stack import database_of
        from local.stores import check_images
        from store.database import Database
        from store.images import open_images
        from store.retention import Retention
        from tasks.retention import prune as run

        require(chosen, images=True)
        check_images(chosen)
        with database_of(chosen) as url:
            database = Database(url, size=1)
            images = open_images(chosen.image_store_url, chosen.s3_endpoint_url)
            retention = Retention(database)
            try:
                if age_s is None:
                    what = "images without a prediction"
                    n = prune_orphans(database, images, dry_run=dry_run)
                elif dry_run:
                    what, n = "predictions", retention.count(age_s)
                else:
                    what = "predictions and their images"
                    n = run(retention, images, age_s, within_s=float("inf"))
            finally:
                database.close()
    click.echo(f"{n} {what} {'would go' if dry_run else 'have gone'}")


COMMANDS = [backup, restore, prune]
