"""Runs, figures and latencies that nobody measured: test doubles, and trials of the statistics."""
