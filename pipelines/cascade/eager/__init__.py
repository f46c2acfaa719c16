"""An answer that is begun before the turn is over, and heard only if it was."""
