-- Who may use the API. Of a key only its hash is here: who reads this table has none of them.
CREATE TABLE api_keys (
    id            text PRIMARY KEY CHECK (id ~ '^[0-9A-Za-z]{12}$'),
    name          text NOT NULL CHECK (name <> ''),
    secret_sha256 bytea NOT NULL CHECK (octet_length(secret_sha256) = 32),
    scopes        text[] NOT NULL
                  CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['read', 'write']),
    rate_limit    text,  -- in place of the API's own; null: that one
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_used_at  timestamptz,  -- to about a minute
    revoked_at    timestamptz
);

-- A name is free again once its key is revoked.
CREATE UNIQUE INDEX api_keys_live_name ON api_keys (name) WHERE revoked_at IS NULL;
