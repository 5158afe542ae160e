"""The model lane-free: decoding, prediction, training. Knows no queue and no database."""
