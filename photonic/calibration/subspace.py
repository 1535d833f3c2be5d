"""Subspace learning: the attenuators of a layer are trained on the chip, U and V stay as they are.

For y = Re(U diag(sigma) V x) and dL/dy = g the derivatives with respect to the real and the
imaginary part of sigma_i are the real part and minus the imaginary part of

    sum over vectors (U^T g)_i (V x)_i,

and both factors are fields at attenuator i: one of light sent backward from the outputs, one of the
light of the inputs. The errors of the meshes are in them, unknown and exact.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from photonic.calibration.bench import Bench
from photonic.calibration.drive_range import DriveRange
from photonic.calibration.sigma_projection import attenuator_commands, commanded_fields
from photonic.calibration.subspace_sampling import Sampling
from photonic.calibration.tile_reading import real_tiles
from photonic.driven import electronic_gain
from photonic.mesh_state import MESHES, Commands

# Shapes: R, C tiles, m x n one tile, r attenuators, K vectors.


@dataclass
class ChipCalls:
    """Products of one tile and one vector that were asked of the chip, by purpose."""

    forward: int = 0
    """Outputs of the layer."""
    sigma_gradient: int = 0
    """Fields at the attenuators, V x and U^T g."""
    feedback: int = 0
    """Tiles read for W^T g."""


class SubspaceLayer:
    """A dense layer y = x W^T on a bench, whose attenuators can be trained.

    W is gain Re(U diag(sigma) V), tile by tile. The attenuators are commanded to sigma divided by
    its largest magnitude in the tile; the electronics give that back, so sigma is not bounded, and
    the light is always as strong as it can be. Vectors fill the modulators: each part that meets a
    tile column is divided by its largest magnitude.

    Args:
        bench: tiles of the layer.
        commands: what they are set to, from a mapping; the bench is set to it.
    """

    def __init__(self, bench: Bench, commands: Commands) -> None:
        self.bench = bench
        self.calls = ChipCalls()
        self._drive = DriveRange(bench.hardware)
        self._gain = electronic_gain(bench.program, bench.hardware)
        self._phases = {mesh: self._drive.folded(commands.phases[mesh]) for mesh in MESHES}
        for mesh in ("V", "U"):
            bench.set_phases(mesh, self._phases[mesh])
        self.set_sigma(commanded_fields(commands.phases["sigma"]) * commands.scale[..., None])

    @property
    def sigma(self) -> Tensor:
        """(R, C, r) complex128 diagonal that the attenuators are set to, in units of W."""
        return self._sigma

    def set_sigma(self, sigma: Tensor) -> None:
        """Command the attenuators; one setting.

        Args:
            sigma: (R, C, r) complex, of any size.
        """
        self._sigma = sigma.detach().clone()
        peak = self._sigma.abs().amax(-1)
        self._peak = peak
        fields = self._sigma / torch.where(peak > 0, peak, 1.0)[..., None]
        self._phases["sigma"] = self._drive.folded(attenuator_commands(fields))
        self.bench.set_phases("sigma", self._phases["sigma"])

    def commands(self) -> Commands:
        """What the tiles are set to."""
        return Commands(dict(self._phases), self._peak.clone())

    def forward(self, x: Tensor) -> Tensor:
        """Outputs of the layer, through the light; K reads.

        Args:
            x: (K, in_features) real.

        Returns:
            (K, out_features) in the dtype of x, with the noise of the readings.
        """
        inputs, size = _full_scale(self._input_blocks(x))
        fields = self.bench.fields(inputs.expand(*self._grid, *inputs.shape[-2:]))
        self.calls.forward += self.bench.program.num_tiles * len(x)
        outputs = (fields * size * self._factor).sum(1)
        joined = outputs.transpose(0, 1).flatten(1)
        return joined[:, : self.bench.program.out_features].to(x.dtype)

    def gradients(
        self, x: Tensor, grad_y: Tensor, sampling: Sampling, generator: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Derivatives of a loss with respect to sigma and to the inputs.

        Args:
            x: (K, in_features) inputs of a forward pass.
            grad_y: (K, out_features) derivative with respect to its outputs.
            sampling: what is left out.
            generator: source of random choices.

        Returns:
            ``sigma_gradient`` and ``input_gradient``.
        """
        return (
            self.sigma_gradient(x, grad_y, sampling, generator),
            self.input_gradient(grad_y, sampling, generator),
        )

    def sigma_gradient(
        self, x: Tensor, grad_y: Tensor, sampling: Sampling, generator: np.random.Generator
    ) -> Tensor:
        """Derivative with respect to sigma; 2 k reads for k sampled vectors.

        It refers to the fields that the attenuators let through: their own errors and losses, a few
        percent, are not in it.

        Args:
            x: (K, in_features) inputs.
            grad_y: (K, out_features) derivative with respect to the outputs.
            sampling: which vectors are used; the sum over them is divided by their share.
            generator: source of random choices.

        Returns:
            (R, C, r) complex128, derivatives with respect to real and imaginary part as real and
            imaginary part.

        Source: Gu et al., L2ight, NeurIPS 2021 (in-situ gradient of Sigma).
        """
        chosen = sampling.chosen_columns(len(x), generator)
        inputs, input_size = _full_scale(self._input_blocks(x[chosen]))
        errors, error_size = _full_scale(self._output_blocks(grad_y[chosen]))
        inner = self.bench.inner_fields(inputs.expand(*self._grid, *inputs.shape[-2:]))
        back = self.bench.backward_fields(errors.expand(*self._grid, *errors.shape[-2:]))
        self.calls.sigma_gradient += 2 * self.bench.program.num_tiles * len(chosen)
        product = (inner * input_size * back * error_size).sum(-2)
        return product.conj().resolve_conj() * (self._gain * len(x) / max(len(chosen), 1))

    def input_gradient(
        self, grad_y: Tensor, sampling: Sampling, generator: np.random.Generator
    ) -> Tensor:
        """Derivative with respect to the inputs, W^T grad_y; n reads, whatever K.

        The tiles are read as matrices, as they are on the chip, and applied in the electronics. For
        more than n vectors that takes fewer readings than light sent back through all of a tile.

        Args:
            grad_y: (K, out_features) derivative with respect to the outputs.
            sampling: which tiles are used.
            generator: source of random choices.

        Returns:
            (K, in_features) in the dtype of grad_y.
        """
        norms = torch.linalg.vector_norm(self._sigma, dim=-1)
        factors = sampling.feedback.factors(norms, generator)
        tiles = real_tiles(self.bench) * (self._factor * factors[..., None, None])
        self.calls.feedback += int((factors > 0).sum()) * tiles.shape[-1]
        blocks = (self._output_blocks(grad_y) @ tiles).sum(0)
        joined = blocks.transpose(0, 1).flatten(1)
        return joined[:, : self.bench.program.in_features].to(grad_y.dtype)

    @property
    def _grid(self) -> tuple[int, int]:
        return self.bench.program.grid_shape

    @property
    def _factor(self) -> Tensor:
        """(R, C, 1, 1) factor of the electronics."""
        return self._gain * self._peak[..., None, None]

    def _input_blocks(self, x: Tensor) -> Tensor:
        """(1, C, K, n) parts of inputs that meet each tile column, padded with zeros."""
        blocks = _blocks(x, self._grid[1], self.bench.program.tile_shape[1])
        return blocks.unsqueeze(0)

    def _output_blocks(self, y: Tensor) -> Tensor:
        """(R, 1, K, m) parts of outputs that come from each tile row, padded with zeros."""
        blocks = _blocks(y, self._grid[0], self.bench.program.tile_shape[0])
        return blocks.unsqueeze(1)


def _blocks(vectors: Tensor, num_blocks: int, size: int) -> Tensor:
    """(num_blocks, K, size) float64 parts of vectors (K, features)."""
    padded = functional.pad(vectors.detach().double(), (0, num_blocks * size - vectors.shape[-1]))
    return padded.unflatten(-1, (num_blocks, size)).transpose(0, 1)


def _full_scale(blocks: Tensor) -> tuple[Tensor, Tensor]:
    """Vectors divided by their largest magnitudes, and these (..., K, 1); zeros stay zeros."""
    size = blocks.abs().amax(-1, keepdim=True)
    return (blocks / torch.where(size > 0, size, 1.0)).to(torch.complex128), size
