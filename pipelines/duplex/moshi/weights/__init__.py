"""Moshi's weight files: found, checked, or made at random."""
