"""Lab 5c: the expressive face."""
