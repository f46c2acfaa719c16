"""The person who calls: a mouth, an ear, and the loop of one call, in a process of its own."""
