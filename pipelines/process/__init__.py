"""A model in a process of its own, in an environment of its own."""
