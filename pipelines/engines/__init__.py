"""Engines of cascade stages: their rows, options and files."""
