"""Duplex models whose right answer is known."""
