"""The serverless lane: events of S3, SQS and API Gateway to the functions of tasks and api."""
