"""``duplex-lab sweep``, and parts of ``run``: its options, what it says before and after."""
