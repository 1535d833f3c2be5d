"""Wiring of the rectangular, triangular and butterfly meshes."""

import copy
import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic.layout import MeshLayout
from tests.photonic.matrices import MESH_KINDS

universal = st.builds(MeshLayout, st.sampled_from(MESH_KINDS), st.integers(1, 40))
layouts = (
    universal
    | st.builds(MeshLayout.rectangular, st.integers(1, 20), st.integers(0, 30))
    | st.builds(MeshLayout.butterfly, st.sampled_from([1, 2, 4, 8, 32]))
)


@given(layout=layouts)
def test_sites_are_in_order_and_inside(layout):
    assert layout.num_mzis == len(layout.mode) == len(layout.column) == len(layout.partner)
    sites = list(zip(layout.column.tolist(), layout.mode.tolist(), strict=True))
    assert sites == sorted(set(sites))
    assert ((layout.mode >= 0) & (layout.mode < layout.partner)).all()
    assert (layout.partner < layout.num_modes).all()


@given(layout=universal)
def test_universal_meshes_have_one_interferometer_per_pair(layout):
    assert layout.is_universal
    assert layout.num_mzis == layout.num_modes * (layout.num_modes - 1) // 2
    assert (layout.partner == layout.mode + 1).all()


@given(layout=layouts)
def test_columns_cover_all_interferometers_with_disjoint_modes(layout):
    for column in layout.columns():
        assert len(set(layout.column[column.mzis])) == 1
        modes = np.arange(layout.num_modes)[column.modes].reshape(-1, 2, column.span)
        assert layout.mode[column.mzis].tolist() == modes[:, 0].ravel().tolist()
        assert layout.partner[column.mzis].tolist() == modes[:, 1].ravel().tolist()
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


@given(num_modes=st.integers(1, 12), depth=st.integers(0, 20))
def test_rectangle_is_the_clements_mesh_cut_or_continued(num_modes, depth):
    layout, full = MeshLayout.rectangular(num_modes, depth), MeshLayout.clements(num_modes)
    count = min(layout.num_mzis, full.num_mzis)
    assert layout.num_columns == depth
    assert not layout.is_universal
    assert layout.mode[:count].tolist() == full.mode[:count].tolist()
    assert layout.num_mzis == sum(len(range(x % 2, num_modes - 1, 2)) for x in range(depth))


def test_butterfly_of_eight_modes():
    layout = MeshLayout.butterfly(8)
    assert layout.mode.tolist() == [0, 2, 4, 6, 0, 1, 4, 5, 0, 1, 2, 3]
    assert layout.partner.tolist() == [1, 3, 5, 7, 2, 3, 6, 7, 4, 5, 6, 7]
    assert [column.span for column in layout.columns()] == [1, 2, 4]


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
    assert MeshLayout(kind, 1).columns() == ()
    assert MeshLayout(kind, 2).num_columns == 1
    assert MeshLayout(kind, 2).mode.tolist() == [0]


@pytest.mark.parametrize("num_modes", [3, 6, 12])
def test_a_butterfly_needs_a_power_of_two(num_modes):
    with pytest.raises(ValueError, match=f"must be a power of two, got {num_modes}"):
        MeshLayout.butterfly(num_modes)


def test_depth_belongs_to_rectangles():
    with pytest.raises(ValueError, match="`depth` belongs to rectangular meshes, not to 'reck'"):
        MeshLayout("reck", 4, 3)
    for depth in (None, -1, 2.0, True):
        with pytest.raises(ValueError, match="`depth` must be an integer >= 0"):
            MeshLayout("rectangular", 4, depth)


@pytest.mark.parametrize("make", [copy.deepcopy, lambda layout: pickle.loads(pickle.dumps(layout))])
def test_copies_are_read_only_too(make):
    layout = MeshLayout.rectangular(5, 3)
    other = make(layout)
    assert other == layout
    assert not any(part.flags.writeable for part in (other.column, other.mode, other.partner))


def test_a_single_mode_of_any_depth_costs_nothing():
    assert MeshLayout.rectangular(1, 10**15).num_mzis == 0


def test_layouts_differ_by_kind_and_size():
    assert MeshLayout.clements(4) != MeshLayout.reck(4)
    assert MeshLayout.clements(4) != MeshLayout.clements(5)
    assert MeshLayout.rectangular(4, 4) != MeshLayout.rectangular(4, 5)
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
        MeshLayout(kind, 4)


@pytest.mark.parametrize(
    "data", [{}, {"kind": "reck"}, {"kind": "reck", "num_modes": 2, "extra": 0}, ["reck", 2]]
)
def test_description_needs_its_keys(data):
    with pytest.raises(ValueError, match="needs the keys kind, num_modes and at most depth"):
        MeshLayout.from_dict(data)
