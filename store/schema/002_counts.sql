-- Counts for GET /stats, so that it never scans predictions. Each statement that changes
-- predictions appends its differences here, and the sweep adds them up now and then: a
-- single row per count would make every writer wait for every other writer's commit.
CREATE TABLE prediction_counts (
    lane            text NOT NULL,
    status          text NOT NULL,
    predicted_label text,
    true_label      text,
    rows            bigint NOT NULL
);

CREATE FUNCTION count_predictions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The transition tables exist only for the operations that have them, hence the branches.
    IF TG_OP = 'INSERT' THEN
        INSERT INTO prediction_counts
        SELECT lane, status, predicted_label, true_label, count(*)
        FROM added GROUP BY 1, 2, 3, 4;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO prediction_counts
        SELECT lane, status, predicted_label, true_label, -count(*)
        FROM removed GROUP BY 1, 2, 3, 4;
    ELSE
        INSERT INTO prediction_counts
        SELECT lane, status, predicted_label, true_label, sum(change)
        FROM (SELECT lane, status, predicted_label, true_label, 1 AS change FROM added
              UNION ALL
              SELECT lane, status, predicted_label, true_label, -1 FROM removed) AS changes
        GROUP BY 1, 2, 3, 4 HAVING sum(change) <> 0;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER count_inserts AFTER INSERT ON predictions
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_predictions();
CREATE TRIGGER count_updates AFTER UPDATE ON predictions
    REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_predictions();
CREATE TRIGGER count_deletes AFTER DELETE ON predictions
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_predictions();
