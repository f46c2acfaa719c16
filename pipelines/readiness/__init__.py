"""What a preset is made of, and what it lacks on this machine."""
