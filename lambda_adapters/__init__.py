"""S3 and SQS events to the functions of tasks, API Gateway events to the app of api."""
