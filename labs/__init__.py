"""The coursework: labs 5a, 5b and 5c, what is checked in each, and the grader of a class."""
