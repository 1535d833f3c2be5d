"""An installed wheel works outside the checkout, data files included."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
USE = """
import models, photonic
from models.datasets import build  # importable, builds nothing
model = models.load_checkpoint("refractive_index")
crystal = models.load_dataset("dielectric").crystals[0]
assert model.predict([crystal])["n"].shape == (1,)
assert "ideal" in photonic.hardware_names()
assert models.__file__.startswith({place!r}), models.__file__
print("works")
"""


@pytest.mark.slow
def test_wheel_works_outside_the_checkout(tmp_path: Path) -> None:
    place = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", str(ROOT), "-w", str(tmp_path)], check=True)
    wheel = next(tmp_path.glob("*.whl"))
    subprocess.run([*pip, "install", "--no-deps", "--target", str(place), str(wheel)], check=True)
    done = subprocess.run(
        [sys.executable, "-c", USE.format(place=str(place))],
        cwd=tmp_path,
        env={"PYTHONPATH": str(place), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "works", done.stderr
