"""The serverless lane end to end; `./test-serverless` runs it, and says what it needs."""
