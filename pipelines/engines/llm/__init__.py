"""Language models, one file an engine."""
