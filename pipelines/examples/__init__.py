"""A bot in the shape of Pipecat's quickstart. Nobody imports this room."""
