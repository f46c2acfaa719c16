"""A memory on disk: a database a user, the one thread that writes, and what its owner may ask."""
