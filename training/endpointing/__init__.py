"""Trains the end-of-turn model of the eager cascade: python -m training.endpointing."""
