"""The command `duplex-lab labs`."""
