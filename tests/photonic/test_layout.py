"""Wiring of the rectangular and triangular meshes."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic.layout import MeshLayout
from tests.photonic.matrices import MESH_KINDS

layouts = st.builds(MeshLayout, st.sampled_from(MESH_KINDS), st.integers(1, 40))


@given(layout=layouts)
def test_every_layout_is_a_universal_mesh_in_order(layout):
    size = layout.num_modes
    assert layout.num_mzis == len(layout.mode) == len(layout.column) == size * (size - 1) // 2
    sites = list(zip(layout.column.tolist(), layout.mode.tolist(), strict=True))
    assert sites == sorted(set(sites))
    assert all(0 <= mode < size - 1 for mode in layout.mode)


@given(layout=layouts)
def test_columns_cover_all_interferometers_with_disjoint_modes(layout):
    for index, column in enumerate(layout.columns()):
        assert set(layout.column[column.mzis]) == {index}
        modes = range(layout.num_modes)[column.modes]
        assert list(layout.mode[column.mzis]) == list(modes[::2])
        assert len(modes) == 2 * len(layout.mode[column.mzis])
    assert sum(c.mzis.stop - c.mzis.start for c in layout.columns()) == layout.num_mzis


@given(layout=layouts)
def test_description_restores_the_layout(layout):
    restored = MeshLayout.from_dict(json.loads(json.dumps(layout.to_dict())))
    assert restored == layout
    assert hash(restored) == hash(layout)
    assert np.array_equal(restored.mode, layout.mode)


def test_rectangle_of_five_modes():
    layout = MeshLayout.clements(5)
    assert layout.column.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert layout.mode.tolist() == [0, 2, 1, 3, 0, 2, 1, 3, 0, 2]


def test_triangle_of_four_modes():
    layout = MeshLayout.reck(4)
    assert layout.column.tolist() == [0, 1, 2, 2, 3, 4]
    assert layout.mode.tolist() == [0, 1, 0, 2, 1, 0]


@pytest.mark.parametrize("num_modes", [3, 4, 9, 16])
def test_depth_of_the_meshes(num_modes):
    assert MeshLayout.clements(num_modes).num_columns == num_modes
    assert MeshLayout.reck(num_modes).num_columns == 2 * num_modes - 3


@pytest.mark.parametrize("kind", MESH_KINDS)
def test_one_and_two_modes(kind):
    assert MeshLayout.from_name(kind, 1).columns() == ()
    assert MeshLayout.from_name(kind, 2).num_columns == 1
    assert MeshLayout.from_name(kind, 2).mode.tolist() == [0]


def test_layouts_differ_by_kind_and_size():
    assert MeshLayout.clements(4) != MeshLayout.reck(4)
    assert MeshLayout.clements(4) != MeshLayout.clements(5)
    assert len({MeshLayout.clements(4), MeshLayout.clements(4), MeshLayout.reck(4)}) == 2


def test_wiring_is_read_only():
    with pytest.raises(ValueError, match="read-only"):
        MeshLayout.clements(4).mode[0] = 1


@pytest.mark.parametrize("num_modes", [0, -3, 2.0, True, "4", None])
def test_number_of_modes_is_checked(num_modes):
    with pytest.raises(ValueError, match="`num_modes` must be an integer >= 1"):
        MeshLayout.clements(num_modes)


@pytest.mark.parametrize("kind", ["square", "", ["clements"], None])
def test_kind_is_checked(kind):
    with pytest.raises(ValueError, match="`kind` must be one of 'clements', 'reck'"):
        MeshLayout.from_name(kind, 4)


@pytest.mark.parametrize(
    "data", [{}, {"kind": "reck"}, {"kind": "reck", "num_modes": 2, "extra": 0}, ["reck", 2]]
)
def test_description_needs_its_keys(data):
    with pytest.raises(ValueError, match="exactly the keys kind and num_modes"):
        MeshLayout.from_dict(data)
