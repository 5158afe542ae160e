-- An object that was stored past the API is adopted when its event comes. Nobody has read its
-- bytes by then.
ALTER TABLE predictions ALTER COLUMN sha256 DROP NOT NULL;
