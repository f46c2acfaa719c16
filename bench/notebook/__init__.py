"""A run as tables for notebooks, behind `bench.load(RUN)`."""
