"""A program: weights from tiles, attenuators, counts, and storage."""

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from photonic.layout import MeshLayout
from photonic.mapping import map_linear
from photonic.mzi import mzi_block
from photonic.phases import MeshPhases
from photonic.program import Program
from tests.photonic.matrices import REAL_DTYPES, assert_close, haar, random_normal
from tests.tolerances import MESH_EPS, MZI_EPS

sizes = st.integers(1, 9)


def program(out_features: int = 5, in_features: int = 7, tile: int | str = 4) -> Program:
    return map_linear(random_normal(0, out_features, in_features), tile=tile, name="dense")


def optics(of: Program, seed: int, *batch: int) -> tuple[torch.Tensor, ...]:
    """Random unitaries and complex amplitude factors on the tile grid."""
    rows, columns = of.tile_shape
    sigma = random_normal(seed, *batch, *of.grid_shape, of.rank, dtype=torch.complex128)
    sigma = sigma / sigma.abs().max()
    u, v = (haar(size, seed + size, *batch, *of.grid_shape) for size in (rows, columns))
    return u, sigma, v


def assembled_by_hand(of: Program, u, sigma, v) -> torch.Tensor:
    """Tile by tile, in a loop."""
    rows, columns = of.tile_shape
    padded = torch.zeros(of.out_features + of.padding[0], of.in_features + of.padding[1]).double()
    for i in range(of.grid_shape[0]):
        for j in range(of.grid_shape[1]):
            middle = torch.zeros(rows, columns, dtype=torch.complex128)
            middle.diagonal()[:] = sigma[i, j]
            tile = of.scale[i, j] * (u[i, j] @ middle @ v[i, j]).real
            padded[i * rows : (i + 1) * rows, j * columns : (j + 1) * columns] = tile
    return padded[: of.out_features, : of.in_features]


@pytest.mark.parametrize("tile", [1, 3, 4, "full"])
@given(out_features=sizes, in_features=sizes, seed=st.integers(0, 2**32))
def test_tiles_are_assembled_in_place(out_features, in_features, seed, tile):
    dense = program(out_features, in_features, tile)
    parts = optics(dense, seed)
    scale = dense.scale.max()
    expected = assembled_by_hand(dense, *parts) / scale
    assert_close(dense.assemble(*parts) / scale, expected, MESH_EPS)


@pytest.mark.parametrize("dtype", REAL_DTYPES)
def test_assembly_keeps_precision_and_leading_dimensions(dtype):
    dense = program()
    parts = optics(dense, 1, 2, 3)
    weight = dense.assemble(*(part.to(dtype.to_complex()) for part in parts))
    assert weight.dtype == dtype
    assert weight.shape == (2, 3, 5, 7)
    scale = dense.scale.max()
    expected = assembled_by_hand(dense, *(part[1, 2] for part in parts))
    assert_close(weight[1, 2] / scale.to(dtype), expected / scale, MESH_EPS)


def test_assembly_passes_gradients():
    dense = program(2, 3, 2)
    parts = [part.requires_grad_() for part in optics(dense, 2)]
    assert torch.autograd.gradcheck(dense.assemble, parts)


def test_attenuators_transmit_exactly_their_factor():
    dense = program(40, 40, 16)
    theta, phi = dense.attenuator_phases()
    assert ((theta >= 0) & (theta <= math.pi)).all()
    assert ((phi >= 0) & (phi < 2 * math.pi)).all()
    bar = mzi_block(theta, phi)[..., 0, 0]
    assert_close(bar, dense.attenuation.to(torch.complex128), MZI_EPS)


def test_counts_of_a_padded_grid():
    dense = program(5, 7, 4)
    assert dense.tile_shape == (4, 4)
    assert dense.grid_shape == (2, 2)
    assert dense.num_tiles == 4
    assert dense.padding == (3, 1)
    assert dense.num_phase_shifters == 4 * (16 + 16 + 8)


def test_counts_of_a_full_tile():
    dense = program(5, 7, "full")
    assert dense.tile_shape == (5, 7)
    assert dense.padding == (0, 0)
    assert dense.rank == 5
    assert dense.num_phase_shifters == 25 + 49 + 10


def test_storage_restores_every_bit():
    dense = program()
    tensors, metadata = dense.to_tensors(), json.loads(json.dumps(dense.metadata()))
    restored = Program.from_tensors(tensors, metadata)
    assert restored.metadata() == dense.metadata()
    for name, tensor in restored.to_tensors().items():
        assert tensor.is_contiguous()
        assert torch.equal(tensor, tensors[name]), name
    assert torch.equal(restored.weight(), dense.weight())


@pytest.mark.parametrize("layout", [MeshLayout.rectangular(1, 5), MeshLayout.rectangular(2, 7)])
def test_rectangles_are_restored(layout):
    zeros = [torch.zeros(1, 1, k).double() for k in (layout.num_mzis,) * 2 + (layout.num_modes,)]
    ones = torch.ones(1, 1, layout.num_modes).double()
    size, phases = layout.num_modes, MeshPhases(*zeros)
    dense = Program("dense", size, size, layout, layout, phases, phases, ones, ones[..., 0])
    restored = Program.from_tensors(dense.to_tensors(), dense.metadata())
    assert (restored.u_layout, restored.v_layout) == (layout, layout)


def stored() -> tuple[dict, dict]:
    dense = program()
    return dense.to_tensors(), dense.metadata()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("u.theta", torch.zeros(2, 2, 5).double(), r"`phi` must have shape \(2, 2, 5\)"),
        ("v.phi", torch.zeros(2, 2, 6), "`v.phi` must be a float64 tensor"),
        ("v.phi", [[0.0]], "`v.phi` must be a float64 tensor"),
        ("scale", torch.zeros(4).double(), r"`scale` must have shape \(2, 2\), got \(4,\)"),
        ("scale", -torch.ones(2, 2).double(), "`scale` must not be negative"),
        ("attenuation", torch.full((2, 2, 4), 1.5).double(), r"must lie in \[0, 1\]"),
        ("attenuation", torch.full((2, 2, 4), math.nan).double(), "`attenuation` must be finite"),
        (
            "u.output_phase",
            torch.full((2, 2, 4), math.inf).double(),
            "`u.output_phase` must be fin",
        ),
        ("bias", torch.zeros(1).double(), r"missing \[\], unknown \['bias'\]"),
    ],
)
def test_malformed_tensors_are_refused(name, value, message):
    tensors, metadata = stored()
    with pytest.raises(ValueError, match=message):
        Program.from_tensors(tensors | {name: value}, metadata)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("name", 3, "`name` must be a string, got 3"),
        ("out_features", 0, "`out_features` must be an integer >= 1, got 0"),
        ("in_features", 7.0, "`in_features` must be an integer >= 1, got 7.0"),
        ("in_features", 99, r"`u.output_phase` must have shape \(2, 25, 4\)"),
        ("u_layout", {"kind": "clements", "num_modes": 10**12}, "`u_layout` must describe 4 modes"),
        (
            "u_layout",
            {"kind": "rectangular", "num_modes": 4, "depth": 10**12},
            "`u_layout` must describe 6 interferometers",
        ),
        ("u_layout", "clements", "`u_layout` must describe 4 modes"),
        ("v_layout", {"kind": "ring", "num_modes": 4}, "`kind` must be one of"),
        ("version", 1, r"missing \[\], unknown \['version'\]"),
    ],
)
def test_malformed_metadata_is_refused(name, value, message):
    tensors, metadata = stored()
    with pytest.raises(ValueError, match=message):
        Program.from_tensors(tensors, metadata | {name: value})


def test_missing_parts_are_named():
    tensors, metadata = stored()
    del tensors["u.phi"]
    with pytest.raises(ValueError, match=r"missing \['u.phi'\]"):
        Program.from_tensors(tensors, metadata)
    with pytest.raises(ValueError, match="a mapping is needed, got list"):
        Program.from_tensors(stored()[0], [])


def test_program_checks_the_size_of_its_meshes():
    dense = program()
    with pytest.raises(ValueError, match=r"`u.output_phase` must have shape \(2, 2, 3\)"):
        Program(
            name="dense",
            out_features=5,
            in_features=7,
            u_layout=MeshLayout.clements(3),
            v_layout=dense.v_layout,
            u=dense.u,
            v=dense.v,
            attenuation=dense.attenuation,
            scale=dense.scale,
        )


def test_assembly_checks_shapes():
    dense = program()
    u, sigma, v = optics(dense, 3)
    with pytest.raises(ValueError, match=r"`sigma` must have shape \(\.\.\., 2, 2, 4\)"):
        dense.assemble(u, sigma[..., :3], v)
    with pytest.raises(ValueError, match=r"`v` must have shape \(\.\.\., 2, 2, 4, 4\)"):
        dense.assemble(u, sigma, v[:1])
