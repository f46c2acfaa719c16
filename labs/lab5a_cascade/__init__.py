"""Lab 5a: the cascade and its floor."""
