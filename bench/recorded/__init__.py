"""Scores audio that is there already: the recogniser that listens to recorded answers."""
