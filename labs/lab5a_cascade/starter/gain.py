"""Prints the paired difference of results/pair in voice to voice, and its 95 % interval."""

from pathlib import Path

from labs.lab5a_cascade.measuring import gain

if __name__ == "__main__":
    value, low, high, n = gain(Path("results/pair"))
    print(f"{value:+.1f} ms [{low:+.1f} to {high:+.1f}], on {n} sentences")
