"""Images (files or S3) and predictions (PostgreSQL). Knows nothing of models."""
