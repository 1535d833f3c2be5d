"""Shapes, dtypes and indexing of mesh settings."""

import pytest
import torch

from photonic.layout import MeshLayout
from photonic.phases import MeshPhases
from tests.photonic.matrices import random_settings


def random_phases(num_modes: int, *batch: int) -> MeshPhases:
    return MeshPhases(*random_settings(MeshLayout.clements(num_modes), 0, *batch))


def test_sizes_follow_from_the_tensors():
    phases = random_phases(5, 2, 3)
    assert (phases.num_modes, phases.num_mzis, phases.batch_shape) == (5, 10, (2, 3))
    assert random_phases(1).num_mzis == 0


def test_index_selects_meshes():
    phases = random_phases(4, 2, 3)
    assert torch.equal(phases[1, 2].theta, phases.theta[1, 2])
    assert phases[1].batch_shape == (3,)
    assert phases[:, 0].batch_shape == (2,)
    assert phases[torch.tensor([1, 0, 1])].output_phase.shape == (3, 3, 4)


def test_index_stays_out_of_the_mesh():
    with pytest.raises(IndexError, match=r"2 indices for batch shape \(3,\)"):
        random_phases(4, 3)[0, 0]


def test_single_precision_is_refused():
    theta, phi, screen = random_settings(MeshLayout.clements(3), 0)
    with pytest.raises(TypeError, match="`phi` must be a float64 tensor, got torch"):
        MeshPhases(theta, phi.float(), screen)
    with pytest.raises(TypeError, match="`theta` must be a float64 tensor, got ndarray"):
        MeshPhases(theta.numpy(), phi, screen)


def test_shapes_are_checked():
    theta, phi, screen = random_settings(MeshLayout.clements(3), 0, 2)
    with pytest.raises(ValueError, match=r"`phi` must have shape \(2, 2\), got \(2, 3\)"):
        MeshPhases(theta[:, :2], phi, screen)
    with pytest.raises(ValueError, match=r"`theta` must have shape \(\.\.\., M\)"):
        MeshPhases(theta[0, 0], phi, screen)
    with pytest.raises(ValueError, match=r"`phi` must have shape \(2, 3\), got \(1, 3\)"):
        MeshPhases(theta, phi[:1], screen)
    with pytest.raises(ValueError, match=r"`output_phase` must have shape \(\.\.\., N\)"):
        MeshPhases(theta, phi, screen[0, 0])
