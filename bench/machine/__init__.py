"""What a run was measured on, and what this machine can run."""
