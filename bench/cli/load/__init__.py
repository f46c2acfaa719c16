"""Commands that play many calls: how many at once, and grids of runs."""
