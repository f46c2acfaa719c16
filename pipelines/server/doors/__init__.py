"""Doors: the protocols by which clients come in, one file each, found by their rows."""
