"""The pieces of work as plain functions, and the one place that makes them Celery tasks."""
