"""The naive server is a fair opponent: it takes the same uploads, and commits what it answers."""

from __future__ import annotations

import io

import psycopg2
import pytest

pytest.importorskip("torch", reason="pip install -r requirements/train.txt")

from bench.baselines.naive import create_app


def test_the_naive_server_commits_what_it_answers_and_is_right(
    database_url: str, tile: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    client = create_app().test_client()
    form = client.post("/upload", data={"file": (io.BytesIO(tile), "tile.jpg")})
    body = client.post("/upload?filename=body.jpg", data=tile, content_type="image/jpeg")
    assert (form.status_code, body.status_code) == (200, 200)
    assert sum(form.get_json()["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT image_name, predicted_label FROM naive_predictions ORDER BY id")
        assert cursor.fetchall() == [("tile.jpg", "Forest"), ("body.jpg", "Forest")]


def test_the_naive_server_refuses_what_is_no_image(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    answer = create_app().test_client().post("/upload", data=b"no image", content_type="image/png")
    assert answer.status_code == 415
