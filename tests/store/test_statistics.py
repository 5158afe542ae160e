"""The running counts are the counts."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

from store.database import Database
from store.predictions import Predictions
from store.records import Outcome
from store.references import Reference
from store.statistics import Statistics

Accept = Callable[..., list[Reference]]
COUNTED = "SELECT lane, status, predicted_label, true_label, count(*) AS rows FROM predictions"


def as_counted(database: Database) -> set[tuple[object, ...]]:
    return {tuple(row.values()) for row in database.query(f"{COUNTED} GROUP BY 1, 2, 3, 4")}


def as_kept(database: Database) -> set[tuple[object, ...]]:
    return {tuple(row.values()) for row in Statistics(database).counts()}


def test_counts_follow_every_change_of_concurrent_writers(
    database: Database, predictions: Predictions, accept: Accept
) -> None:
    outcomes: list[dict[str, Any]] = [
        {"predicted_label": "Forest", "confidence": 0.5},
        {"error_code": "truncated_image"},
    ]

    def live(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(10):
            references = accept(
                chance.randint(1, 20),
                lane=chance.choice(["on-prem", "serverless"]),
                true_label=chance.choice(["Forest", "River"]),
            )
            claimed = list(predictions.claim(references, f"w{seed}", 30))
            chosen = chance.sample(claimed, chance.randint(0, len(claimed)))
            predictions.finish(
                [
                    Outcome(
                        key=reference.key,
                        version=reference.version,
                        **chance.choice(outcomes),
                    )
                    for reference in chosen
                ]
            )
            Statistics(database).compact()

    threads = [threading.Thread(target=live, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert as_kept(database) == as_counted(database)
    database.query("DELETE FROM predictions WHERE id % 3 = 0")
    assert as_kept(database) == as_counted(database)


def test_compacting_leaves_one_row_for_each_count(
    database: Database, predictions: Predictions, accept: Accept
) -> None:
    predictions.claim(accept(3) + accept(4), "w", 30)
    before = as_kept(database)
    Statistics(database).compact()
    [kept] = database.query("SELECT count(*) AS rows FROM prediction_counts")
    assert kept["rows"] == len(before) == 1
    assert as_kept(database) == before


def test_a_backlog_is_added_up_a_batch_at_a_time_and_counted_in_full_meanwhile(
    database: Database, predictions: Predictions, accept: Accept
) -> None:
    for _ in range(50):
        accept()
    kept = [50]
    while kept[-1] > 1:
        Statistics(database, batch_rows=10).compact()
        [row] = database.query("SELECT count(*) AS rows FROM prediction_counts")
        kept.append(row["rows"])
        assert as_kept(database) == as_counted(database)
    assert kept[1] == 50 - 3 * 10 + 3  # three batches became a row each
    assert kept == sorted(kept, reverse=True)


def test_what_was_given_back_says_nothing_of_the_queues_age(
    database: Database, predictions: Predictions, accept: Accept
) -> None:
    given_back, waiting = accept(2)
    database.query("UPDATE predictions SET accepted_at = accepted_at - interval '1 hour'")
    database.query("UPDATE predictions SET enqueued_at = accepted_at")
    assert Statistics(database).backlog().oldest_s > 3600
    predictions.claim([given_back, waiting], "w", 30)
    predictions.release([given_back], "w")
    assert Statistics(database).backlog().oldest_s == 0
    assert predictions.sweep(30, 3).lost == [given_back]  # which says nothing of it either
    accept()
    assert 0 < Statistics(database).backlog().oldest_s < 60
    assert Statistics(database).backlog().unfinished == 3


def test_percentiles_are_of_the_finished(
    database: Database, predictions: Predictions, accept: Accept
) -> None:
    assert Statistics(database).latencies() == {}
    references = accept(100)
    predictions.claim(references, "w", 30)
    predictions.finish(
        [
            Outcome(key=key, version="", predicted_label="x", confidence=1, infer_ms=float(number))
            for number, (key, _) in enumerate(references)
        ]
    )
    infer_ms = Statistics(database).latencies()["infer_ms"]
    assert (infer_ms["p50"], infer_ms["p90"]) == (49.5, 89.1)
