"""The cost of GET /stats and GET /results on a large table.

    python -m bench.stats --rows 1000000

Rows are made in the database, in the proportions of real ones, and the API is asked in this
process, without HTTP. Run it with several numbers of rows to see that the cost does not
follow them.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from api import create_app
from local.interrupts import interruptible
from local.stack import embedded
from model.artefact import Artefact
from settings import Settings
from store.database import Database
from store.migrations import migrate
from store.statistics import Statistics

ASKED = 50
CHUNK = 50_000

INSERT = """
INSERT INTO predictions (request_id, lane, image_name, content_type, size_bytes, sha256,
    storage_key, true_label, status, error_code, attempts, predicted_label, confidence,
    probabilities,
    accepted_at, started_at, finished_at, committed_at,
    fetch_ms, decode_ms, infer_ms, record_ms, batch_size)
SELECT gen_random_uuid(), CASE WHEN n %% 3 = 0 THEN 'serverless' ELSE 'on-prem' END,
    'tile_' || n || '.jpg', 'image/jpeg', 3000, md5(n::text), 'bench/' || n,
    (%(labels)s::text[])[1 + n %% 10], CASE WHEN n %% 50 = 0 THEN 'failed' ELSE 'done' END,
    CASE WHEN n %% 50 = 0 THEN 'truncated_image' END, 1,
    (%(labels)s::text[])[1 + (n + (random() < 0.03)::int) %% 10], random(),
    jsonb_build_object('Forest', random(), 'River', random()),
    now() - n * interval '1 s', now() - n * interval '1 s' + interval '8 ms',
    now() - n * interval '1 s' + interval '12 ms',
    now() - n * interval '1 s' + interval '15 ms',
    random(), random(), random() * 5, random() * 3, 32
FROM generate_series(%(first)s, %(last)s) AS n
"""


# As dense as a machine that is busy all the time would leave it: 40 buckets in either lane.
SERIES = """
INSERT INTO prediction_series
SELECT slot_at, step_s, lane, 'done', bucket, 1 + bucket
FROM (SELECT generate_series(date_bin('1 hour', now() - interval '30 days', 'epoch'),
             date_bin('1 hour', now() - interval '3 days', 'epoch'), '1 hour') AS slot_at,
          3600 AS step_s
      UNION ALL SELECT generate_series(date_bin('1 hour', now() - interval '71 hours', 'epoch'),
             date_bin('5 min', now() - interval '125 min', 'epoch'), '5 min'), 300
      UNION ALL SELECT generate_series(date_bin('5 min', now() - interval '120 min', 'epoch'),
             now(), '10 s'), 10) AS slots,
    unnest(ARRAY['on-prem', 'serverless']) AS lane, generate_series(20, 59) AS bucket
ON CONFLICT DO NOTHING
"""


@interruptible()
def main() -> None:
    """Fill a new database and time what is asked of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with (
        tempfile.TemporaryDirectory(prefix="skylane-bench-") as folder,
        embedded(Settings(home=Path(folder))) as (database_url, broker_url),
    ):
        migrate(database_url)
        database = Database(database_url)
        fill(database, rows)
        os.environ |= {
            "DATABASE_URL": database_url,
            "BROKER_URL": broker_url,
            "SKYLANE_HOME": folder,
        }
        client = create_app().test_client()
        for path in (
            "/stats",
            "/stats/series?minutes=60",
            "/stats/series?minutes=43200",
            "/results?limit=50",
            "/results?limit=50&label=Forest&status=done",
            f"/results?limit=50&cursor={rows // 2 + 1}",
            "/results?limit=50&sort=confidence",
            "/results?limit=50&sort=confidence&label=Forest",
            "/results?limit=50&correct=false",
            "/results?limit=50&search=le_77.jpg",  # one row, which a page of 50,000 may not have
        ):
            took_ms = []
            for _ in range(ASKED):
                started = time.perf_counter()
                assert client.get(path).status_code == 200
                took_ms.append((time.perf_counter() - started) * 1000)
            p50, p99 = np.percentile(took_ms, [50, 99])
            print(f"{rows:>9,} rows  {path:<45} p50 {p50:6.1f} ms  p99 {p99:6.1f} ms")
        database.close()


def fill(database: Database, rows: int) -> None:
    """Insert rows as a machine would leave them that was busy for 30 days, and their series."""
    labels = Artefact.open(Settings().artefact).labels
    for first in range(1, rows + 1, CHUNK):
        last = min(first + CHUNK - 1, rows)
        database.query(INSERT, {"labels": labels, "first": first, "last": last})
    Statistics(database).compact()  # the sweep does this every few seconds
    database.query(SERIES)
    database.query("ANALYZE")  # as autovacuum does a minute later


if __name__ == "__main__":
    main()
