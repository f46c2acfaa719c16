"""Synthesisers, one file an engine."""
