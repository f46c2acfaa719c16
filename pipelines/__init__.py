"""What is measured. The modules of this folder are small, and every room may import them."""
