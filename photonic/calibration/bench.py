"""Bench: what a laboratory can do with the tiles of one layer, and all that a calibration may see.

A bench sets phases, sends light and reads outputs with noise; it counts what it did. Calibrations
are written against this protocol, so they run on simulated chips, on a chip in another process or
on instruments, and the true errors of a chip are out of their reach.
"""

from typing import Protocol

from torch import Tensor

from photonic.hardware import HardwareConfig
from photonic.program import Program

# Shapes: R, C tiles, m x n one tile, r = min(m, n), S shifters and M MZIs of a mesh, K vectors,
# P trials.


class Bench(Protocol):
    """The tiles of one layer on a bench, all of them driven and read in parallel.

    Meshes are "V", "sigma" and "U" in the order of the light. The shifters of a mesh are numbered
    theta of each MZI, phi of each MZI, output screen (S = 2 M + N); those of "sigma" theta, then
    phi of each attenuator (S = 2 r). All commands are 0 until they are set. Inputs are complex
    amplitudes, 1 being full scale, (K, n) for the same vectors in every tile or (R, C, K, n).
    Outputs are those of U diag(sigma) V, without scale and electronic gain, and carry noise that
    differs from read to read. Tensors are float64 or complex128.

    A setting is one write to one mesh or shifter of every tile, a read is one input vector sent
    through every tile.
    """

    program: Program
    """Layouts, shapes and ideal settings of the layer; public."""
    hardware: HardwareConfig
    """Data sheet: nominal figures, nothing of the individual chip."""
    num_settings: int
    """How often phases were set, in parallel in all tiles."""
    num_reads: int
    """Input vectors sent through every tile."""

    def set_phases(self, mesh: str, command: Tensor) -> None:
        """Command all shifters of a mesh; one setting.

        Args:
            mesh: "V", "sigma" or "U".
            command: (R, C, S) [rad] commanded phases, before rounding.

        Raises:
            ValueError: if the shape does not fit or the drive cannot reach a phase.
        """

    def set_shifter(self, mesh: str, shifter: int, command: Tensor) -> None:
        """Command one shifter of a mesh; one setting.

        Args:
            mesh: "V", "sigma" or "U".
            shifter: number of the shifter.
            command: (R, C) [rad] commanded phases, before rounding.

        Raises:
            ValueError: if the drive cannot reach a phase.
        """

    def fields(self, inputs: Tensor) -> Tensor:
        """Homodyne outputs; K reads.

        Args:
            inputs: (K, n) or (R, C, K, n) amplitudes.

        Returns:
            (R, C, K, m) real part of the output fields, with noise.
        """

    def powers(self, inputs: Tensor) -> Tensor:
        """Powers at photodiodes; K reads.

        Args:
            inputs: (K, n) or (R, C, K, n) amplitudes.

        Returns:
            (R, C, K, m) squared magnitudes of the output fields, with noise.
        """

    def trial_fields(self, mesh: str, shifter: int, commands: Tensor, inputs: Tensor) -> Tensor:
        """Homodyne outputs while one shifter tries P commands; P settings and P K reads.

        The shifter has its former command again afterwards, which is not counted: whoever tries
        sets what was chosen.

        Args:
            mesh: "V", "sigma" or "U".
            shifter: number of the shifter.
            commands: (P, R, C) [rad] commands to try, one after the other.
            inputs: (K, n) or (R, C, K, n) amplitudes.

        Returns:
            (P, R, C, K, m) real part of the output fields, with noise.
        """

    def trial_powers(self, mesh: str, shifter: int, commands: Tensor, inputs: Tensor) -> Tensor:
        """Powers while one shifter tries P commands; arguments and counts as ``trial_fields``.

        Returns:
            (P, R, C, K, m) squared magnitudes of the output fields, with noise.
        """

    def backward_fields(self, mesh_outputs: Tensor) -> Tensor:
        """Light sent from the outputs of U back to the attenuators, read coherently; K reads.

        Args:
            mesh_outputs: (R, C, K, m) amplitudes g.

        Returns:
            (R, C, K, r) complex fields U^T g of the first r modes, with noise on both quadratures.
        """

    def inner_fields(self, inputs: Tensor) -> Tensor:
        """Light tapped coherently between V and the attenuators; K reads.

        Args:
            inputs: (K, n) or (R, C, K, n) amplitudes x.

        Returns:
            (R, C, K, r) complex fields V x of the first r modes, with noise on both quadratures.
        """

    def coupler_errors(self, mesh: str, std_rad: float) -> Tensor:
        """Measured angle errors of all couplers of a mesh, from extinction scans; no count.

        Args:
            mesh: "V", "sigma" or "U".
            std_rad: [rad] std of the measurement error.

        Returns:
            (R, C, M, 2) [rad] deviations (a, b) from pi/4, M = r for "sigma".
        """
