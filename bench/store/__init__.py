"""A run on disk: schema, records, labels, recordings, locks."""
