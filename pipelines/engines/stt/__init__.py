"""Speech recognisers, one file an engine."""
