-- A row is one image that was accepted, from before anyone works on it to its outcome.
CREATE TABLE predictions (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id      uuid NOT NULL UNIQUE,
    lane            text NOT NULL CHECK (lane IN ('on-prem', 'serverless')),
    image_name      text NOT NULL,
    content_type    text NOT NULL,
    size_bytes      integer NOT NULL,
    sha256          text NOT NULL,
    storage_key     text NOT NULL,
    storage_version text NOT NULL DEFAULT '',
    true_label      text,

    status          text NOT NULL DEFAULT 'pending'
                    CHECK (status IN ('pending', 'running', 'done', 'failed')),
    attempts        integer NOT NULL DEFAULT 0,   -- times that work on it was begun
    predicted_label text,
    confidence      real,
    probabilities   jsonb,                        -- {label: probability}
    error_code      text,
    error_detail    text,

    -- Times by this database's clock.
    accepted_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    enqueued_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at      timestamptz,
    finished_at     timestamptz,
    committed_at    timestamptz,                  -- when the outcome was safe on disk

    -- Stages in ms. An image in a batch waits for the batch, so these are the batch's.
    fetch_ms        real,
    decode_ms       real,
    infer_ms        real,
    record_ms       real,

    -- Circumstances.
    model_version   text,
    worker          text,
    batch_size      integer,
    cold_start      boolean,                      -- first batch of its process
    cpu_percent     real,                         -- of the worker process, of one core
    memory_mb       real,                         -- resident, of the worker process

    UNIQUE (storage_key, storage_version),
    CHECK (status <> 'done' OR (predicted_label IS NOT NULL AND confidence IS NOT NULL)),
    CHECK (status <> 'failed' OR error_code IS NOT NULL)
);

-- Each filter of GET /results, newest first; the sweep; the latest latencies.
CREATE INDEX predictions_label ON predictions (predicted_label, id);
CREATE INDEX predictions_status ON predictions (status, id);
CREATE INDEX predictions_lane ON predictions (lane, id);
CREATE INDEX predictions_unfinished ON predictions (enqueued_at)
    WHERE status IN ('pending', 'running');
CREATE INDEX predictions_finished ON predictions (finished_at DESC) WHERE status = 'done';

-- What clients see: a row with its stages worked out. A worker that dies between the
-- commit of an outcome and the note of its time leaves committed_at empty.
CREATE VIEW prediction_results AS
SELECT p.*,
       extract(epoch FROM started_at - accepted_at) * 1000 AS queue_ms,
       extract(epoch FROM coalesce(committed_at, finished_at) - accepted_at) * 1000
           AS latency_ms
FROM predictions p;

-- Workers that are alive say so here; /ready reads it.
CREATE TABLE workers (
    name          text PRIMARY KEY,
    lane          text NOT NULL,
    model_version text NOT NULL,
    memory_mb     real NOT NULL,
    seen_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
