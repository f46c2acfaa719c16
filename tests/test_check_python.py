"""The Python that set-up is started with: taken, or refused in one sentence with the cause."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import check_python  # noqa: E402  (found by the path above)


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13)])
def test_a_python_that_the_locked_packages_allow_is_taken(monkeypatch, capsys, version):
    monkeypatch.setattr(sys, "version_info", (*version, 0))
    check_python.main()
    assert capsys.readouterr() == ("", "")


def test_python_3_14_is_refused_and_the_package_is_named(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    with pytest.raises(SystemExit) as refused:
        check_python.main()
    assert refused.value.code == (
        "duplex-lab: Python 3.14 can't be used yet, because the locked pocketsphinx 5.1.1 has no "
        "wheel for it; name Python 3.11, 3.12 or 3.13: make PYTHON=python3.12 setup"
    )


@pytest.mark.parametrize("version", [(2, 7), (3, 10), (3, 15)])
def test_any_other_python_is_refused_with_its_own_version(monkeypatch, version):
    monkeypatch.setattr(sys, "version_info", (*version, 0))
    said = "Python 3.11, 3.12 or 3.13 is needed, this is {}.{}".format(*version)
    with pytest.raises(SystemExit, match=re.escape(said)):
        check_python.main()


def test_the_package_that_is_named_is_the_locked_one_and_the_wheel_asks_for_the_same_pythons():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    for package in check_python.NO_WHEEL.values():
        assert "\n{}=={} ".format(*package.split()) in f"\n{lock}"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11,<3.14"
