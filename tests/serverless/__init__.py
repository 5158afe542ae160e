"""The serverless lane end to end; `./test-serverless` runs it alone."""
