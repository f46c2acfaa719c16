"""Reports in one sentence a problem of the Python that set-up was started with."""

import sys

NO_WHEEL = {(3, 14): "pocketsphinx 5.1.1"}
"""Python version -> the locked package that has no wheel for it."""


def main():
    # type: () -> None
    """Exits with 1 and a sentence, or with 0. ASCII and old syntax: any Python must parse this."""
    version = "%d.%d" % sys.version_info[:2]
    package = NO_WHEEL.get(sys.version_info[:2])
    if package:
        sys.exit(
            "duplex-lab: Python %s can't be used yet, because the locked %s has no wheel for it; "
            "name Python 3.11, 3.12 or 3.13: make PYTHON=python3.12 setup" % (version, package)
        )
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        sys.exit(
            "duplex-lab: Python 3.11, 3.12 or 3.13 is needed, this is %s (%s); "
            "name another one: make PYTHON=python3.12 setup" % (version, sys.executable)
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        sys.exit(
            "duplex-lab: this Python has no venv; install it (Debian and Ubuntu: "
            "apt install python%s-venv) or name another Python: make PYTHON=python3.12 setup"
            % version
        )


if __name__ == "__main__":
    main()
