"""How the answer came about that a filler went before."""
