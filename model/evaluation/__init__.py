"""How right a model is, how sure it may be, and what it makes of other than its own tiles."""
