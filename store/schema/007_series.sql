-- Throughput and latency over time, for GET /stats/series: counts by slot of time and bucket of
-- latency. As with the counts, each statement appends and the sweep adds up, here into another
-- table, because what is old is not to be gone through for every new row.
--
-- What is deleted stays counted: it was done, and took as long as it took. Not counted is what is
-- done and whose committed_at stayed empty, because its worker died between the commit of the
-- outcome and the note of its time. To count it at the first commit, and to take that back and
-- count anew at the second, would append three times as many rows, some of them in the commit that
-- all wait for.
CREATE TABLE prediction_series_added (
    slot_at timestamptz NOT NULL,  -- when a slot of 10 s begins
    lane    text NOT NULL,
    status  text NOT NULL,         -- done or failed
    bucket  smallint NOT NULL,     -- latencies from 1.1^bucket to 1.1^(bucket + 1) ms; 0: less, too
    rows    bigint NOT NULL
);
CREATE TABLE prediction_series (
    slot_at timestamptz NOT NULL,
    step_s  integer NOT NULL,      -- how long the slot is; older ones are merged into longer ones
    lane    text NOT NULL,
    status  text NOT NULL,
    bucket  smallint NOT NULL,
    rows    bigint NOT NULL,
    PRIMARY KEY (slot_at, step_s, lane, status, bucket)
);
CREATE INDEX prediction_series_step ON prediction_series (step_s, slot_at);

CREATE FUNCTION add_to_series() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Most statements finish nothing, and cost no more than this look.
    IF EXISTS (SELECT FROM added WHERE committed_at IS NOT NULL OR status = 'failed') THEN
        -- A row that was counted before is both added and removed, which comes to nothing.
        INSERT INTO prediction_series_added
        SELECT date_bin('10 s', CASE status WHEN 'done' THEN committed_at ELSE finished_at END,
                        'epoch'),
               lane, status,
               CASE status WHEN 'done' THEN floor(ln(greatest(1,
                   extract(epoch FROM committed_at - accepted_at)::float8 * 1000))
                   / ln(1.1::float8)) ELSE 0 END,
               sum(change)
        FROM (SELECT lane, status, accepted_at, finished_at, committed_at, 1 AS change FROM added
              UNION ALL
              SELECT lane, status, accepted_at, finished_at, committed_at, -1 FROM removed) AS changes
        WHERE finished_at IS NOT NULL
          AND (status = 'failed' OR (status = 'done' AND committed_at IS NOT NULL))
        GROUP BY 1, 2, 3, 4 HAVING sum(change) <> 0;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER series_updates AFTER UPDATE ON predictions
    REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION add_to_series();
