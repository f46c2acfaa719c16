"""Full-Duplex-Bench's own figures, computed as its published scripts compute them."""
