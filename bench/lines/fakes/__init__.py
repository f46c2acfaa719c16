"""Fake peers: an agent's end of each line, one file a protocol, played by a test on a thread."""
