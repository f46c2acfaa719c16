"""Answers that are begun before the turn is over."""
