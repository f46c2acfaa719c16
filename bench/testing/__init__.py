"""The pytest plugin: a voice agent's latency as an assertion."""
