"""A hundred named conversations, spoken and written, with and without what the server can add."""
