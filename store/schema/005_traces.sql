-- Whose request an image came with (W3C Trace Context): whoever works on it goes on with that
-- trace, in either lane, however the work comes to it.
ALTER TABLE predictions ADD COLUMN traceparent text;
