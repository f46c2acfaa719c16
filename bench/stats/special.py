"""``scipy.special``, imported without the front end of a Fortran compiler.

Its array layer looks at every public name of numpy, and so imports ``numpy.f2py`` too: 40 % of an
import that takes as long as the rest of ``duplex-lab show RUN``. Meanwhile that name stands for
nothing; scipy does not use it.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

import numpy as np


def special() -> Any:
    """The module."""
    if "scipy.special" in sys.modules or "f2py" in vars(np):
        return importlib.import_module("scipy.special")
    vars(np)["f2py"] = ModuleType("numpy.f2py")
    try:
        return importlib.import_module("scipy.special")
    finally:
        del vars(np)["f2py"]  # whoever wants it later gets the true one
