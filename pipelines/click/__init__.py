"""The click agent, whose delay is known: it calibrates the ruler."""
