"""Grades a class: each submission in a box and a process of its own, then the pages."""
