"""A dense layer as hardware performs it: modulators, tiles, laser, receivers and converters.

Errors of the meshes are errors of the weight (``realise``); what is modelled here acts on inputs
and outputs. Without it y = x W^T, which is then the faster way.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from photonic.chip import Chip
from photonic.hardware import HardwareConfig
from photonic.impairments.adc import convert
from photonic.impairments.detector import balanced_noise_std
from photonic.impairments.laser_noise import laser_factors
from photonic.impairments.modulator import modulate
from photonic.program import Program

# Shapes: R, C rows and columns of tiles, m x n one tile, K inputs of the last column.


@dataclass(frozen=True, eq=False)
class LinkNoise:
    """Sources of the noise that a layer's light picks up; draws move them on."""

    laser: torch.Generator
    """For one factor per input vector."""
    detector: torch.Generator
    """For one current per input vector, tile column and output."""

    @classmethod
    def of(cls, chip: Chip, layer: str, shot: int = 0) -> "LinkNoise":
        """The sources of a layer on a chip in a shot, at the start of their streams.

        The key is (chip seed, chip index, layer, effect, shot). A source is drawn from in the order
        of the vectors, so that the noise of a vector depends on the vectors before it.

        Args:
            chip: drawn chip.
            layer: name of the layer.
            shot: index of the shot.

        Returns:
            Sources that give the same bits for the same arguments and the same shapes of inputs.
        """
        laser, detector = (
            # torch draws a normal in a quarter of numpy's time, and there is one per output.
            torch.Generator().manual_seed(int(chip.generator(layer, effect, shot).integers(2**63)))
            for effect in ("laser_noise", "detector")
        )
        return cls(laser, detector)


@dataclass(frozen=True, eq=False)
class TensorCoreLink:
    """Link of one dense layer: everything between digital inputs and digital outputs but the tiles.

    Inputs are scaled in blocks: the part of a vector that meets one tile column is divided by its
    largest magnitude b, so that it fills the modulators, and the outputs are multiplied by b.
    Only mantissas pass through light, as in the adaptive block floating point of Lightmatter, there
    with scales of the weights per row; here they are those of the tiles. With s the scale of
    tile (i, j), W its realised weight and g the electronic gain that W contains, it yields

        y_ij = s b adc(f modulate(x_j / b) (W / s)^T + g std n),     y_i = sum_j y_ij,

    f the laser's factor of the vector and std n the noise of a balanced receiver. The fields at the
    receiver are W/(s g): the amplifier stands between receiver and converter. The sum over tile
    columns is digital. Modulators of inputs beyond W stay dark, and a block of zeros is not sent:
    it yields zeros, without noise and without a gradient.

    Args:
        hardware: gives the figures of the link; the others are not used.
        scale: (R, C) scales of the tiles.
        tile_shape: outputs m and inputs n of a tile.
        gain: electronic gain > 0 that the weights contain, as after compensation of losses.

    Raises:
        ValueError: if an argument is not valid.

    Source: Basumallik et al., Adaptive Block Floating-Point for Analog Deep Learning Hardware,
    arXiv:2205.06287 (2022).
    """

    hardware: HardwareConfig
    """Gives the figures of the link."""
    scale: Tensor
    """(R, C) scales of the tiles."""
    tile_shape: tuple[int, int]
    """Outputs m and inputs n of a tile."""
    gain: float = 1.0
    """Electronic gain that the weights contain."""

    def __post_init__(self) -> None:
        if self.scale.ndim != 2 or not (self.scale >= 0).all():
            raise ValueError("`scale` must be a matrix of numbers >= 0, one per tile")
        if min(self.tile_shape) < 1:
            raise ValueError(f"`tile_shape` must be positive, got {self.tile_shape}")
        if not (math.isfinite(self.gain) and self.gain > 0):
            raise ValueError(f"`gain` must be positive, got {self.gain}")

    @classmethod
    def of(cls, program: Program, hardware: HardwareConfig, gain: float = 1.0) -> "TensorCoreLink":
        """The link of the tiles of a program.

        Args:
            program: gives the tiles and their scales.
            hardware: gives the figures of the link.
            gain: as in the class.
        """
        return cls(hardware, program.scale, program.tile_shape, gain)

    @property
    def output_noise_std(self) -> float:
        """Std of the noise at a converter, in units of the field of a full-scale input.

        g times that of ``balanced_noise_std``; 0 without detector noise.
        """
        hardware = self.hardware
        power, responsivity = hardware.received_power_uw, hardware.responsivity_a_per_w
        if power is None or responsivity is None:
            return 0.0
        return self.gain * balanced_noise_std(
            power * 1e-6,
            responsivity,
            hardware.dark_current_na * 1e-9,
            hardware.tia_noise_pa_per_sqrt_hz * 1e-12,
            _bandwidth_hz(hardware),
        )

    def apply(self, x: Tensor, weight: Tensor, noise: LinkNoise) -> Tensor:
        """Outputs of the layer; differentiable in x and weight, rounding passed straight through.

        Args:
            x: (..., in_features) float32 or float64.
            weight: (out_features, in_features) realised weights, in the dtype of x.
            noise: sources of the noise.

        Returns:
            (..., out_features); x W^T within rounding if the link is perfect.

        Raises:
            ValueError: if the shapes do not fit, or a converter has fewer than 2 bits.
        """
        self._check(x, weight)
        hardware, (rows, columns) = self.hardware, self.tile_shape
        laser = laser_factors(
            hardware.laser_rin_db_per_hz,
            _bandwidth_hz(hardware),
            tuple(x.shape[:-1]),
            noise.laser,
            x.dtype,
        )
        scales = self.scale.to(x).repeat_interleave(rows, dim=0)[: weight.shape[0]]
        blocks = zip(
            x.split(columns, -1), weight.split(columns, -1), scales.unbind(-1), strict=True
        )
        y = x.new_zeros(*x.shape[:-1], weight.shape[0])
        for block in blocks:
            y = y + self._tile_column(*block, laser, noise.detector)
        return y

    def _tile_column(
        self,
        x: Tensor,
        weight: Tensor,
        scale: Tensor,
        laser: Tensor | None,
        generator: torch.Generator,
    ) -> Tensor:
        """(..., out_features) outputs of (..., K) inputs of a tile column, (out_features,) scales.

        Loops over tile columns keep one of them in memory: there are many vectors.
        """
        hardware = self.hardware
        block = x.abs().amax(-1, keepdim=True)
        sent = modulate(x / _nonzero(block), hardware.input_bits, hardware.modulator_extinction_db)
        output = sent @ (weight / _nonzero(scale)[:, None]).mT
        if laser is not None:
            output = output * laser
        std = self.output_noise_std
        if std:
            drawn = torch.randn(output.shape, generator=generator, dtype=x.dtype, device=x.device)
            output = output + std * drawn
        return convert(output, hardware.adc_bits, hardware.adc_range) * (scale * block)

    def _check(self, x: Tensor, weight: Tensor) -> None:
        sizes = zip(weight.shape, self.tile_shape, strict=False)
        grid = tuple(math.ceil(size / tile) for size, tile in sizes)
        if weight.ndim != 2 or grid != tuple(self.scale.shape):
            raise ValueError(
                f"`weight` must fill {tuple(self.scale.shape)} tiles of {self.tile_shape}, "
                f"got {tuple(weight.shape)}"
            )
        if x.ndim < 1 or x.shape[-1] != weight.shape[1]:
            raise ValueError(f"`x` must have shape (..., {weight.shape[1]}), got {tuple(x.shape)}")


def _bandwidth_hz(hardware: HardwareConfig) -> float:
    """Noise bandwidth of the receiver; 0 if no effect needs one."""
    return (hardware.bandwidth_ghz or 0.0) * 1e9


def _nonzero(magnitude: Tensor) -> Tensor:
    """Divisor that leaves zeros as they are."""
    return torch.where(magnitude == 0, 1, magnitude)
