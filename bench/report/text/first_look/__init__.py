"""What a run shows first: the headline, its slowest trials, and what the columns mean."""
