"""Submissions that nobody made, with known faults: for tests of the grader."""
