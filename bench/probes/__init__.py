"""Measurements without a conversation: algorithmic latency, frame times."""
