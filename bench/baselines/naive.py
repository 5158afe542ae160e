"""The server that one writes first: each request decodes, predicts, inserts, and answers.

    DATABASE_URL=… python -m bench.baselines.naive --port 8000

Eager torch in fp32, one image at a time, a database connection for each request, all of it
while the client waits. It has the weights that the served model was made from.
"""

from __future__ import annotations

import argparse
import io
import os

import numpy as np
import psycopg2
import torch
from flask import Flask, request
from flask.typing import ResponseReturnValue
from PIL import Image

from model.images import TILE_PX
from model.reference.architecture import MEAN, STD
from model.reference.checkpoint import read
from settings import ROOT

WEIGHTS = ROOT / "model" / "weights" / "resnet50-eurosat.safetensors"
TABLE = """
    CREATE TABLE IF NOT EXISTS naive_predictions (
        id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        image_name      text NOT NULL,
        predicted_label text NOT NULL,
        confidence      real NOT NULL,
        accepted_at     timestamptz NOT NULL DEFAULT now()
    )"""
INSERT = """
    INSERT INTO naive_predictions (image_name, predicted_label, confidence)
    VALUES (%s, %s, %s) RETURNING id"""


def create_app(side_px: int = TILE_PX) -> Flask:
    """Make the app and its table; images become squares of ``side_px``."""
    net, about = read(WEIGHTS)
    labels = about.labels
    mean, deviation = torch.tensor(MEAN), torch.tensor(STD)
    database_url = os.environ["DATABASE_URL"]
    connection = psycopg2.connect(database_url)
    with connection, connection.cursor() as cursor:
        cursor.execute(TABLE)
    connection.close()
    app = Flask(__name__)

    @app.post("/upload")
    def upload() -> ResponseReturnValue:
        if file := request.files.get("file"):
            name, data = file.filename or "", file.read()
        else:
            name, data = request.args.get("filename", ""), request.get_data()
        try:
            image = Image.open(io.BytesIO(data)).convert("RGB").resize((side_px, side_px))
        except OSError:
            return {"error": "not an image"}, 415
        pixels = (torch.from_numpy(np.array(image)).float() - mean) / deviation
        with torch.no_grad():
            probabilities = net(pixels.permute(2, 0, 1).unsqueeze(0)).softmax(1)[0]
        best = int(probabilities.argmax())
        connection = psycopg2.connect(database_url)
        with connection, connection.cursor() as cursor:  # which commits
            cursor.execute(INSERT, (name, labels[best], float(probabilities[best])))
            [(number,)] = cursor.fetchall()
        connection.close()
        return {
            "id": number,
            "predicted_label": labels[best],
            "confidence": float(probabilities[best]),
            "probabilities": dict(zip(labels, probabilities.tolist(), strict=True)),
        }

    return app


def main() -> None:
    """Serve by Flask's own server, a thread for each connection."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--side-px", type=int, default=TILE_PX)
    chosen = parser.parse_args()
    create_app(chosen.side_px).run("127.0.0.1", chosen.port, threaded=True)


if __name__ == "__main__":
    main()
