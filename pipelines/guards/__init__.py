"""What others wrote, checked or made fit before it is used: texts, names, ranges of numbers."""
