"""Tests, one folder for each of the project's. Real servers, real tiles, nothing mocked."""
