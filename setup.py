"""What pyproject.toml can't say: the wheel carries the fixtures, which lie beside the packages."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FIXTURES = Path(__file__).parent / "fixtures"


class BuildWithFixtures(build_py):
    """Puts the fixtures into ``pipelines``, where `pipelines.installation` looks for them."""

    def run(self) -> None:
        """Builds; an editable installation takes them from the checkout."""
        super().run()
        if self.editable_mode:
            return
        if not any(FIXTURES.glob("*.wav")):
            raise FileNotFoundError(f"{FIXTURES} holds no fixtures: build from a whole checkout")
        target = Path(self.build_lib) / "pipelines" / "fixtures"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for path in [*FIXTURES.glob("*.toml"), *FIXTURES.glob("*.wav"), FIXTURES / "README.md"]:
            shutil.copy(path, target)


setup(cmdclass={"build_py": BuildWithFixtures})
