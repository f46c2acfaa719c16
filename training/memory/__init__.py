"""Makes and judges the memory's calibration: likeness of words → relevance."""
