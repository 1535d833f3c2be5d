"""The drawing of a tile: one cell per shifter, and the same bytes each time."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from experiments.mesh_drawing import draw_tile
from photonic import MeshLayout
from photonic.randomness import keyed_generator

SVG = "{http://www.w3.org/2000/svg}"


def draw(v: MeshLayout, u: MeshLayout, path: Path) -> dict[str, np.ndarray]:
    rank = min(v.num_modes, u.num_modes)
    sizes = {
        "V": 2 * v.num_mzis + v.num_modes,
        "sigma": 2 * rank,
        "U": 2 * u.num_mzis + u.num_modes,
    }
    generator = keyed_generator(0, "drawing")
    values = {mesh: generator.uniform(0.1, 1, size) for mesh, size in sizes.items()}
    draw_tile(values, (v, u), "title of the tile", "quantity [1]", (path,))
    return values


@pytest.mark.parametrize("kind", ["clements", "reck"])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (4, 4), (6, 3)])
def test_every_shifter_is_a_cell(kind, inputs, outputs, tmp_path):
    path = tmp_path / "mesh.svg"
    values = draw(MeshLayout(kind, inputs), MeshLayout(kind, outputs), path)
    tree = ElementTree.parse(path)
    groups = [g for g in tree.iter(f"{SVG}g") if g.get("id", "").startswith("PatchCollection")]
    cells = [p for p in groups[0].iter(f"{SVG}path") if "fill" in p.get("style", "")]
    assert len(cells) == sum(map(len, values.values()))
    texts = [element.text for element in tree.iter(f"{SVG}text")]
    assert {"title of the tile", "quantity [1]", "V", "sigma", "U", "mode"} <= set(texts)


def test_the_same_values_give_the_same_file(tmp_path):
    layout = MeshLayout.clements(5)
    for name in ("one.svg", "two.svg"):
        draw(layout, layout, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
