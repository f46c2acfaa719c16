"""Sweeps: grids of runs, on one machine or by Ray; each a set of ordinary run folders."""
