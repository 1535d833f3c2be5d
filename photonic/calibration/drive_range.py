"""Commands that a drive can give: from 0 to its reach, on the codes of its converter."""

import math

import torch
from torch import Tensor

from photonic.conventions import TWO_PI
from photonic.drive import drive_reach, full_scale_phase, phase_full_scale
from photonic.hardware import HardwareConfig
from photonic.impairments.quantisation import quantise_phase


class DriveRange:
    """Commands within the reach of a drive.

    A command at the reach itself would wrap to 0 on a drive of one turn, so the largest command is
    the float below it; the converter rounds it to its last code.

    Args:
        hardware: converter, drive law and whether commands may exceed one turn.
    """

    def __init__(self, hardware: HardwareConfig) -> None:
        self._hardware = hardware
        reach = phase_full_scale(hardware)
        if hardware.dac_bits is not None:
            reach = min(reach, full_scale_phase(hardware))
        codes = 0 if hardware.dac_bits is None else 2**hardware.dac_bits - 1
        self.mean_step: float = reach / codes if codes else 0.0
        """Mean step of the converter [rad]; 0 for a continuous drive."""
        limit = drive_reach(hardware)
        if limit < reach and codes and hardware.dac_mode == "phase":
            limit = math.floor(limit / self.mean_step) * self.mean_step
        self.largest: float = math.nextafter(min(reach, limit), 0.0)
        """Largest command [rad]."""

    def nearest(self, command: Tensor) -> Tensor:
        """Commands that the converter gives exactly, nearest to the given ones.

        Args:
            command: (...) float64 [rad] any real values.

        Returns:
            (...) [rad] between 0 and ``largest``; what lies outside goes to the nearer end.
        """
        inside = command.clamp(0.0, self.largest)
        rounded = torch.from_numpy(quantise_phase(inside.numpy(), self._hardware))
        return rounded.clamp(max=self.largest)

    def folded(self, command: Tensor) -> Tensor:
        """Commands of the same phase, moved by whole turns into reach, then as in ``nearest``.

        Args:
            command: (...) float64 [rad] any real values.

        Returns:
            (...) [rad]; a command within reach keeps its number of turns.
        """
        turns = torch.where(command < 0, (command / TWO_PI).floor(), 0.0)
        excess = torch.where(command > self.largest, (command / TWO_PI).floor(), 0.0)
        return self.nearest(command - TWO_PI * (turns + excess))

    def half_turn_from(self, command: Tensor) -> Tensor:
        """Commands about half a turn away: up if that is within reach, else down.

        Args:
            command: (...) float64 [rad] between 0 and ``largest``.

        Returns:
            (...) [rad] on the codes of the converter; nearer than half a turn only if the reach is
            less than one turn.
        """
        up, down = command + math.pi, command - math.pi
        is_up = (up <= self.largest) | (self.largest - command > command)
        return self.nearest(torch.where(is_up, up, down))
