"""Plays users to your pipeline, in real time, and measures what is heard. Nothing to do here.

python measure.py base                  base.toml, five sentences → results/base
python measure.py pair faster.toml      base.toml and faster.toml, 24 sentences → results/pair
"""

import sys

from labs.lab5a_cascade.measuring import FEW, MANY, measure, register

register("cascade:build")

if __name__ == "__main__":
    name, *others = sys.argv[1:] or ["base"]
    measure(name, ["base.toml", *others], MANY if others else FEW)
