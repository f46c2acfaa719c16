"""Known causes of a slow answer: how each shows in a turn, what it cost, and the mend. Pure."""
