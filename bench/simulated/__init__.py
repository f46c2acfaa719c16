"""Simulated runs, figures and latencies: test doubles, and trials of the statistics."""
