"""Callers and agents whose right answer is known beforehand."""
