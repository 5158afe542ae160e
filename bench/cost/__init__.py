"""What a million images cost in each lane, from prices with their sources and measured work."""
