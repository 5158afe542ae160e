-- Record the outcomes of a batch: one statement for the worker, CALL finish_predictions(…).
--
-- It is a procedure because it commits in the middle. Only after that commit is it known
-- how long an image took from accepted to safe on disk, and only then may anyone who
-- waits for it be woken. The second commit holds nothing that cannot be missed, so it
-- does not wait for the disk.
CREATE PROCEDURE finish_predictions(outcomes jsonb) LANGUAGE plpgsql AS $$
DECLARE
    called    timestamptz := clock_timestamp();
    committed timestamptz;
    finished  bigint[];
BEGIN
    WITH updated AS (
        UPDATE predictions p SET
            status = CASE WHEN o.error_code IS NULL THEN 'done' ELSE 'failed' END,
            predicted_label = o.predicted_label, confidence = o.confidence,
            probabilities = o.probabilities,
            error_code = o.error_code, error_detail = o.error_detail,
            finished_at = called,
            fetch_ms = o.fetch_ms, decode_ms = o.decode_ms, infer_ms = o.infer_ms,
            model_version = o.model_version, worker = o.worker, batch_size = o.batch_size,
            cold_start = o.cold_start, cpu_percent = o.cpu_percent, memory_mb = o.memory_mb
        FROM jsonb_to_recordset(outcomes) AS o (
            key text, version text,
            predicted_label text, confidence real, probabilities jsonb,
            error_code text, error_detail text,
            fetch_ms real, decode_ms real, infer_ms real,
            model_version text, worker text, batch_size integer,
            cold_start boolean, cpu_percent real, memory_mb real)
        WHERE p.storage_key = o.key AND p.storage_version = o.version
          -- A second delivery of the same work finds the row finished and changes nothing.
          AND p.status IN ('pending', 'running')
        RETURNING p.id
    )
    SELECT array_agg(id) INTO finished FROM updated;
    COMMIT;

    committed := clock_timestamp();
    SET LOCAL synchronous_commit TO off;
    UPDATE predictions
    SET committed_at = committed,
        record_ms = extract(epoch FROM committed - called) * 1000
    WHERE id = ANY (finished);
    PERFORM pg_notify('finished', request_id::text) FROM predictions WHERE id = ANY (finished);
END $$;
