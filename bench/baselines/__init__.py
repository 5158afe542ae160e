"""What the pipeline is measured against: the same service, written in other ways."""
