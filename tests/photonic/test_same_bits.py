"""The same weight gives the same settings whatever instructions the processor has."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from experiments.mapped import dense_layers
from models.checkpoint import load_checkpoint
from photonic.mapping import map_linear
from photonic.program import Program
from tests.photonic.degenerate_tiles import degenerate_tiles, orthogonal
from tests.photonic.matrices import MESH_KINDS, assert_close, random_normal
from tests.tolerances import SAME_PHASE, WEIGHT_EPS

OTHER_PROCESSOR = {
    "NUMBA_CPU_NAME": "generic",
    "NUMBA_CPU_FEATURES": "",
    "MKL_CBWR": "COMPATIBLE",
    "ATEN_CPU_CAPABILITY": "default",
    "OPENBLAS_CORETYPE": "Nehalem",
}
"""No vectors beyond SSE2 in compiled kernels, torch and the libraries of linear algebra."""
MAP_FILE = """
import sys
from safetensors.torch import load_file, save_file
from photonic import map_linear
settings = {}
for name, weight in load_file(sys.argv[1]).items():
    for mesh in sys.argv[3:]:
        for key, value in map_linear(weight, mesh, name=name).to_tensors().items():
            settings[f"{mesh}/{name}/{key}"] = value
save_file(settings, sys.argv[2])
"""


def mapped_elsewhere(weights: dict[str, Tensor], meshes: list[str], folder: Path) -> dict:
    """Settings of 16 x 16 tiles from a process that sees a plain processor."""
    given, found = folder / "weights.safetensors", folder / "settings.safetensors"
    save_file(weights, given)
    command = [sys.executable, "-c", MAP_FILE, str(given), str(found), *meshes]
    done = subprocess.run(command, env=os.environ | OTHER_PROCESSOR, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return load_file(found)


def assert_same_bits(weights: dict[str, Tensor], meshes: list[str], folder: Path) -> int:
    """Settings are the same here and on a plain processor; returns the number of shifters."""
    elsewhere = mapped_elsewhere(weights, meshes, folder)
    num_shifters = 0
    for name, weight in weights.items():
        for mesh in meshes:
            program = map_linear(weight, mesh, name=name)
            num_shifters += program.num_phase_shifters
            for key, here in program.to_tensors().items():
                differ = (here != elsewhere.pop(f"{mesh}/{name}/{key}")).sum().item()
                assert differ == 0, f"{differ} values of {mesh} {name} {key}"
    assert not elsewhere
    return num_shifters


def test_degenerate_tiles_have_the_same_settings_on_a_plain_processor(tmp_path):
    weights = {
        f"{name} {size} {seed}": tile.contiguous()
        for size, seed in ((4, 0), (10, 1), (16, 2), (16, 3))
        for name, tile in degenerate_tiles(size, seed).items()
    }
    assert_same_bits(weights, MESH_KINDS, tmp_path)


@pytest.mark.slow
def test_shipped_network_has_the_same_settings_on_a_plain_processor(tmp_path):
    layers = dense_layers(load_checkpoint("refractive_index").network)
    weights = {name: layer.weight.detach().contiguous() for name, layer in layers}
    assert assert_same_bits(weights, ["clements"], tmp_path) == 646_272


def settings(program: Program) -> Tensor:
    meshes = (program.u, program.v)
    return torch.cat([t.flatten() for m in meshes for t in (m.theta, m.phi, m.output_phase)])


@pytest.mark.parametrize("mesh", MESH_KINDS)
@given(seed=st.integers(0, 2**32), size=st.sampled_from([4, 6, 8]))
def test_degenerate_tiles_are_rebuilt(seed, size, mesh):
    for name, tile in degenerate_tiles(size, seed).items():
        program = map_linear(tile, mesh, name=name)
        scale = max(program.scale.max().item(), 1.0)
        assert_close(program.weight() / scale, tile / scale, WEIGHT_EPS)
        for mesh_phases in (program.u, program.v):
            for turn in (mesh_phases.phi, mesh_phases.output_phase):
                assert ((turn >= 0) & (turn < 2 * math.pi) & ~turn.signbit()).all()


ROUNDED = (
    "identity", "exchange", "permutation", "signs", "one entry", "ones", "padded rows",
    "padded corner", "blocks",
)  # fmt: skip
"""Tiles whose settings rounding of their entries moves by no more than rounding."""


@pytest.mark.parametrize("mesh", MESH_KINDS)
@given(seed=st.integers(0, 2**32))
def test_rounding_of_a_weight_chooses_no_branch(seed, mesh):
    generator = torch.Generator().manual_seed(seed)
    for name in ROUNDED:
        tile = degenerate_tiles(8, 5)[name]
        steps = torch.randint(-1, 2, tile.shape, generator=generator).double()
        rounded = tile * (1 + torch.finfo(torch.float64).eps * steps)
        moved = (settings(map_linear(rounded, mesh)) - settings(map_linear(tile, mesh))).abs()
        assert moved.max() <= SAME_PHASE, f"{name}: {moved.max():.1e}"


@pytest.mark.parametrize("mesh", MESH_KINDS)
@pytest.mark.parametrize("name", ["zeros", "identity", "signs"])
def test_diagonal_tiles_need_no_phase(name, mesh):
    program = map_linear(degenerate_tiles(16, 4)[name], mesh)
    for phases in (program.u, program.v):
        assert (phases.theta == math.pi).all()
        assert (phases.phi == 0.0).all()
        assert set(phases.output_phase.unique().tolist()) <= {0.0, math.pi}


@given(seed=st.integers(0, 2**32))
def test_equal_singular_values_take_the_unit_vectors(seed):
    """A multiple of an orthogonal matrix: V is the identity, all attenuators are open."""
    program = map_linear(3 * orthogonal(6, seed), tile=6)
    assert (program.attenuation == 1.0).all()
    assert (program.v.theta == math.pi).all()
    assert (program.v.phi == 0.0).all()


@given(seed=st.integers(0, 2**32))
def test_padding_stays_dark_and_straight(seed):
    """Rows of zeros: U turns the others among themselves, and exactly."""
    weight = torch.cat([random_normal(seed, 3, 8), torch.zeros(5, 8, dtype=torch.float64)])
    program = map_linear(weight, tile=8)
    assert (program.attenuation[..., 3:] == 0.0).all()
    is_below = torch.tensor(program.u_layout.mode) >= 3
    assert (program.u.theta[..., is_below] == math.pi).all()
    assert (program.u.output_phase[..., 3:] == 0.0).all()
