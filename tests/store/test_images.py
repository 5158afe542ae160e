"""What holds for every image store, on files and on a real S3-compatible server."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from settings import Settings
from store.errors import ImageNotFound, ImageRefused, ImageStoreError, StoreError
from store.images import FileImages, ImageStore, S3Images, open_images
from store.references import Reference


@pytest.fixture(params=["file", "s3"])
def images(request: pytest.FixtureRequest, tmp_path: Path) -> ImageStore:
    if request.param == "file":
        return open_images((tmp_path / "images").as_uri())
    return open_images("s3://tiles/some/prefix", request.getfixturevalue("s3_endpoint"))


def test_an_image_comes_back_byte_for_byte(images: ImageStore, tile: bytes) -> None:
    reference = images.put("2026/01/01/a", tile, "image/jpeg")
    assert images.get(reference) == tile
    file, size_bytes = images.open(reference)
    with file:
        assert (file.read(), size_bytes) == (tile, len(tile))
    images.delete(reference)
    with pytest.raises(ImageNotFound):
        images.open(reference)


def test_many_come_back_in_their_order_with_the_gaps_where_they_are(
    images: ImageStore, tiles: list[Path]
) -> None:
    data = [path.read_bytes() for path in tiles]
    references = images.put_many(
        [(f"many/{number}", one, "image/jpeg") for number, one in enumerate(data)]
    )
    gone = references[7]
    images.delete(gone)
    found = images.get_many(references)
    assert isinstance(found.pop(7), ImageNotFound)
    del data[7]
    assert found == data
    for reference in references:
        images.delete(reference)


def test_a_missing_image_is_told_from_a_missing_store(images: ImageStore, tile: bytes) -> None:
    images.put("missing/another", tile, "image/jpeg")
    with pytest.raises(ImageNotFound):
        images.get(Reference("missing/never stored"))


def test_no_image_counts_as_gone_where_its_volume_is_not_mounted(
    tmp_path: Path, tile: bytes
) -> None:
    volume, elsewhere = tmp_path / "images", tmp_path / "elsewhere"
    stored = FileImages(volume).put("2026/01/01/a", tile, "image/jpeg")
    volume.rename(elsewhere)
    unmounted = FileImages(volume)  # which makes the folder: an empty one, as where a volume was
    with pytest.raises(ImageStoreError, match="mounted"):
        unmounted.get(stored)
    with pytest.raises(ImageStoreError, match="mounted"):
        unmounted.open(stored)
    unmounted.put("2026/01/02/b", tile, "image/jpeg")  # nor when an upload has come there since
    [found] = unmounted.get_many([stored])  # so a worker gives it back, and tries again
    assert isinstance(found, ImageStoreError)
    shutil.rmtree(volume)
    elsewhere.rename(volume)
    assert unmounted.get(stored) == tile


def test_what_was_deleted_before_is_deleted_once_more(images: ImageStore, tile: bytes) -> None:
    reference = images.put("twice/a", tile, "image/jpeg")
    for _ in range(2):
        images.delete(reference)
        assert images.delete_many([reference]) == [reference]


def test_nothing_counts_as_deleted_from_a_volume_that_is_not_mounted(
    tmp_path: Path, tile: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    volume, elsewhere = tmp_path / "images", tmp_path / "elsewhere"
    references = [FileImages(volume).put(f"2026/01/01/{n}", tile, "image/jpeg") for n in range(3)]
    volume.rename(elsewhere)
    images = FileImages(volume)  # which makes the folder: an empty one, as where a volume was
    assert images.delete_many(references) == []
    assert caplog.text.count("Is it mounted?") == 1  # and not for each image
    with pytest.raises(ImageStoreError, match="mounted"):
        images.delete(references[0])
    volume.rmdir()
    elsewhere.rename(volume)
    assert images.delete_many(references) == references


def test_an_s3_that_is_away_or_refuses_is_a_store_error(
    s3_endpoint: str, tile: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = open_images("s3://tiles", "http://127.0.0.1:1")
    with pytest.raises(StoreError):
        away.put("a", tile, "image/jpeg")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StoreError):
        open_images("s3://tiles", s3_endpoint).put("a", tile, "image/jpeg")


def test_no_image_counts_as_gone_where_its_bucket_is_not_there(s3_endpoint: str) -> None:
    images = S3Images("no-such-bucket", "", s3_endpoint)
    for version in ("", "a" * 32, "a version"):
        one = Reference("2026/01/01/a", version)
        assert images.delete_many([one]) == []
        for call in (images.get, images.describe, images.delete):
            with pytest.raises(ImageStoreError, match="bucket"):
                call(one)


@pytest.mark.parametrize("key", ["../outside", "a/../../outside", "/etc/passwd"])
def test_no_key_leads_out_of_the_folder(tmp_path: Path, key: str) -> None:
    with pytest.raises(ImageNotFound):
        FileImages(tmp_path / "images").get(Reference(key))
    with pytest.raises(ImageNotFound):
        FileImages(tmp_path / "images").open(Reference(key))


def test_a_key_is_written_once(tmp_path: Path, tile: bytes) -> None:
    images = FileImages(tmp_path)
    images.put("a", tile, "image/jpeg")
    with pytest.raises(StoreError):
        images.put("a", b"other", "image/jpeg")
    assert images.get(Reference("a")) == tile


def test_an_image_that_does_not_fit_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from store.errors import StoreError; from store.images import FileImages\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: FileImages(Path(sys.argv[1])).put('a', bytes(150_000), 'image/jpeg')\n"
        "except StoreError as error: print(error)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert "too large" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written_or_taken_back_no_image_of_the_batch_stays(
    tmp_path: Path, tile: bytes
) -> None:
    images = FileImages(tmp_path)
    images.put("file", tile, "image/jpeg")
    # Below a file neither is possible, as on a file system that became read-only; even for root.
    batch = [("good/1", tile, "image/jpeg"), ("file/2", tile, "image/jpeg")]
    with pytest.raises(ImageStoreError, match="Not a directory"):
        images.put_many(batch)
    assert list((tmp_path / "good").iterdir()) == []


@pytest.mark.parametrize("url", ["", "/plain/path", "ftp://host/x", "s3://", "file://host/x"])
def test_an_address_of_no_known_kind_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="use file:///folder or s3://bucket/prefix"):
        open_images(url)


def test_of_many_all_are_stored_or_none(
    images: ImageStore, tile: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, stored = images.put, []

    def failing(key: str, data: bytes, content_type: str) -> Reference:
        if key.endswith("/3"):
            raise ImageStoreError("image store: full")
        stored.append(put(key, data, content_type))
        return stored[-1]

    monkeypatch.setattr(images, "put", failing)
    with pytest.raises(ImageStoreError, match="full"):
        images.put_many([(f"all or none/{n}", tile, "image/jpeg") for n in range(20)])
    assert len(stored) > 0
    assert [type(one) for one in images.get_many(stored)] == [ImageNotFound] * len(stored)


def test_two_that_fail_at_once_take_back_what_all_put(
    images: ImageStore, tile: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, stored = images.put, []
    both = threading.Barrier(2, timeout=20)  # in shares of two threads, in either store

    def failing(key: str, data: bytes, content_type: str) -> Reference:
        number = int(key.rpartition("/")[2])
        if number in (3, 12):
            both.wait()
            raise ImageStoreError(f"image store: no {number}")
        stored.append(put(key, data, content_type))
        return stored[-1]

    monkeypatch.setattr(images, "put", failing)
    with pytest.raises(ImageStoreError, match=r"no (3|12)$"):
        images.put_many([(f"two at once/{n}", tile, "image/jpeg") for n in range(20)])
    assert len(stored) >= 20 - 2 - 2  # all but what came after them in their shares
    assert [type(one) for one in images.get_many(stored)] == [ImageNotFound] * len(stored)


def test_an_image_that_is_refused_is_told_from_a_store_that_is_away(
    s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(ImageRefused, match="some/key"):
        open_images("s3://tiles", s3_endpoint).get(Reference("some/key"))
    with pytest.raises(ImageStoreError) as away:
        open_images("s3://tiles", "http://127.0.0.1:9").get(Reference("some/key"))
    assert not isinstance(away.value, ImageRefused)


def test_a_store_that_accepts_and_says_nothing_is_given_up_before_the_work_is_stale() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = open_images("s3://tiles", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        found = store.get_many([Reference(f"some/key {n}") for n in range(store.at_once)])
        assert [type(one) for one in found] == [ImageStoreError] * store.at_once
        assert time.monotonic() - began < Settings().stale_after_s


def test_a_file_that_cannot_be_deleted_is_the_stores_trouble(tmp_path: Path) -> None:
    images = FileImages(tmp_path)
    (tmp_path / "a").mkdir()  # not even root unlinks a folder
    with pytest.raises(ImageStoreError):
        images.delete(Reference("a"))
    images.delete_many([Reference("a")])  # which is told in the log, and no more
