"""Parts of ``duplex-lab run``: its options, what it says before and after it plays."""
