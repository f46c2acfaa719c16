"""Commands that say what a run would be if something about it were otherwise."""
