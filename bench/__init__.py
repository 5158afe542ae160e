"""Measure Skylane as its users meet it: over HTTP, durable all the way, on real tiles."""
