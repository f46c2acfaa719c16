"""The adapter of a Moshi server elsewhere, and its double."""
