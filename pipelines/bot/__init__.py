"""A user's own Pipecat bot as an agent."""
