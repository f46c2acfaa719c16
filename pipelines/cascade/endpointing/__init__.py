"""Is the user's turn over? Words so far, silence so far and the voice's last half second say so."""
