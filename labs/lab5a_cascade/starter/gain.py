"""Prints the paired difference of results/pair in voice to voice, and its 95 % interval."""

from pathlib import Path

from labs.lab5a_cascade.measuring import gain
from pipelines.errors import LabError

if __name__ == "__main__":
    try:
        value, low, high, n = gain(Path("results/pair"))
    except LabError as error:
        raise SystemExit(str(error)) from None
    print(f"{value:+.1f} ms [{low:+.1f} to {high:+.1f}], on {n} sentences")
