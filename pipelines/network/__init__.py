"""The network between a user and an agent: its conditions, as numbers."""
