"""The embedded stack: real PostgreSQL, a real Redis-protocol server, and all of Skylane."""
