"""Made-up submissions with known faults: for tests of the grader."""
