"""Parts of ``duplex-lab compare``: its options, the runs that it opens, what it prints."""
