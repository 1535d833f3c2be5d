"""SimulatedBench: the bench of a drawn chip.

The one module of this package that knows the errors of a chip. They are drawn once and live in a
closure: a bench has no attribute that leads to them, and what its methods return carries the noise
of a reading.
"""

import dataclasses
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor

from photonic.chip import Chip
from photonic.hardware import HardwareConfig
from photonic.impairments.crosstalk import crosstalk_matrix
from photonic.layout import MeshLayout
from photonic.mesh_errors import MeshErrors
from photonic.mesh_optics import MeshState, attenuator_field, mesh_matrix
from photonic.mesh_state import MESHES, check_fits, mesh_layouts
from photonic.phase_chain import realised_phase
from photonic.program import Program
from photonic.propagation import apply
from photonic.realisation import layer_errors

# Shapes: R, C tiles, m x n one tile, r = min(m, n), S shifters and M MZIs of a mesh, K vectors,
# P trials.


class SimulatedBench:
    """The tiles of one layer of a drawn chip, as a ``Bench``.

    Readings carry Gaussian noise that is keyed by the chip, the layer and the number of the
    reading: every reading differs, a repeated run gives the same bits. Phase noise from shot to
    shot is left out, as if each reading averaged over many shots.

    Args:
        program: layer; its name keys the errors, its settings are not applied.
        chip: drawn chip at a time.
        layers: layers whose tiles the program holds one below the other, grid (T, 1), as
            ``TileBatch``; each keys its own errors. None: the program is one layer.
        read_noise: std of a reading, of a field and of a power alike, relative to a full scale of 1
            at the receiver. Source: Shen et al., Nat. Photon. 11, 441 (2017), 0.1 %.
        dtype: real dtype of the propagation; readings are float64 or complex128 in any case.

    Raises:
        ValueError: if a mesh is too large for the hardware or of another wiring, or the layers do
            not make up the program.
    """

    def __init__(
        self,
        program: Program,
        chip: Chip,
        read_noise: float = 1e-3,
        *,
        layers: Sequence[Program] | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        check_fits(program, chip.hardware)
        self.program = program
        self.hardware = chip.hardware
        self.num_settings = 0
        self.num_reads = 0
        self._ask = _hidden(program, chip, read_noise, layers, dtype)

    def set_phases(self, mesh: str, command: Tensor) -> None:
        """Command all shifters of a mesh; see ``Bench``."""
        self._ask("set_phases", mesh, command)
        self.num_settings += 1

    def set_shifter(self, mesh: str, shifter: int, command: Tensor) -> None:
        """Command one shifter of a mesh; see ``Bench``."""
        self._ask("set_shifter", mesh, shifter, command)
        self.num_settings += 1

    def fields(self, inputs: Tensor) -> Tensor:
        """Homodyne outputs; see ``Bench``."""
        self.num_reads += inputs.shape[-2]
        return self._ask("fields", inputs)

    def powers(self, inputs: Tensor) -> Tensor:
        """Powers at photodiodes; see ``Bench``."""
        self.num_reads += inputs.shape[-2]
        return self._ask("powers", inputs)

    def trial_fields(self, mesh: str, shifter: int, commands: Tensor, inputs: Tensor) -> Tensor:
        """Homodyne outputs while one shifter tries P commands; see ``Bench``."""
        self._count_trials(commands, inputs)
        return self._ask("fields", inputs, (mesh, shifter, commands))

    def trial_powers(self, mesh: str, shifter: int, commands: Tensor, inputs: Tensor) -> Tensor:
        """Powers while one shifter tries P commands; see ``Bench``."""
        self._count_trials(commands, inputs)
        return self._ask("powers", inputs, (mesh, shifter, commands))

    def backward_fields(self, mesh_outputs: Tensor) -> Tensor:
        """Light sent from the outputs back to the attenuators; see ``Bench``."""
        self.num_reads += mesh_outputs.shape[-2]
        return self._ask("backward_fields", mesh_outputs)

    def inner_fields(self, inputs: Tensor) -> Tensor:
        """Light tapped between V and the attenuators; see ``Bench``."""
        self.num_reads += inputs.shape[-2]
        return self._ask("inner_fields", inputs)

    def coupler_errors(self, mesh: str, std_rad: float) -> Tensor:
        """Measured coupler angle errors; see ``Bench``."""
        return self._ask("coupler_errors", mesh, std_rad)

    def _count_trials(self, commands: Tensor, inputs: Tensor) -> None:
        self.num_settings += len(commands)
        self.num_reads += len(commands) * inputs.shape[-2]


def _hidden(*construction: Any) -> Callable[..., Any]:
    """Tiles that answer requests by name, reachable in no other way."""
    tiles = _Tiles(*construction)

    @torch.no_grad()  # no instrument gives derivatives
    def ask(request: str, *arguments: Any) -> Any:
        return getattr(tiles, request)(*arguments)

    return ask


_Trial = tuple[str, int, Tensor]
"""Mesh, shifter and (P, R, C) commands to try."""


class _Tiles:
    """Errors, commands and light of all tiles."""

    def __init__(
        self,
        program: Program,
        chip: Chip,
        read_noise: float,
        layers: Sequence[Program] | None,
        dtype: torch.dtype,
    ) -> None:
        errors, layouts = _errors(program, chip, layers), mesh_layouts(program)
        self._meshes = {}
        for mesh, layout in layouts.items():
            num_shifters = 2 * program.rank
            if layout is not None:
                num_shifters = 2 * layout.num_mzis + layout.num_modes
            shape = (*program.grid_shape, num_shifters)
            self._meshes[mesh] = _Mesh(layout, errors[mesh], chip.hardware, shape, dtype)
        self._program, self._chip, self._dtype = program, chip, dtype
        self._read_noise, self._readings = read_noise, count()

    def set_phases(self, mesh: str, command: Tensor) -> None:
        self._meshes[mesh].set_phases(command)

    def set_shifter(self, mesh: str, shifter: int, command: Tensor) -> None:
        self._meshes[mesh].set_shifter(shifter, command)

    def fields(self, inputs: Tensor, trial: _Trial | None = None) -> Tensor:
        return self._with_noise(self._outputs(inputs, trial, _real_product))

    def powers(self, inputs: Tensor, trial: _Trial | None = None) -> Tensor:
        out = self._outputs(inputs, trial, _product)
        return self._with_noise(out.real.square().add_(out.imag.square()))

    def backward_fields(self, mesh_outputs: Tensor) -> Tensor:
        matrix = self._meshes["U"].matrix()[..., : self._program.rank]
        return self._with_complex_noise(self._batched(mesh_outputs) @ matrix)

    def inner_fields(self, inputs: Tensor) -> Tensor:
        return self._with_complex_noise(self._behind_v(inputs))

    def coupler_errors(self, mesh: str, std_rad: float) -> Tensor:
        of = self._meshes[mesh]
        true = of.errors.coupler_error
        if true is None:
            true = torch.zeros(*of.shape[:-1], of.num_mzis, 2, dtype=torch.float64)
        return true + std_rad * self._normal(true.shape, torch.float64)

    def _outputs(
        self, inputs: Tensor, trial: _Trial | None, product: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """(R, C, K, m), or (P, R, C, K, m) in a trial: output fields, or what is wanted of them."""
        mesh, state = None, None
        if trial is not None:
            mesh, state = trial[0], self._meshes[trial[0]].trial(*trial[1:])
        if mesh == "V":
            light = _through(self._program.v_layout, state, self._batched(inputs))
            behind = light[..., : self._program.rank]
        else:
            behind = self._behind_v(inputs)
        field = attenuator_field(state) if mesh == "sigma" else self._meshes["sigma"].matrix()
        behind = behind * field.to(behind.dtype)[..., None, :]
        if mesh == "U":
            num_dark = self._program.u_layout.num_modes - self._program.rank
            padded = torch.nn.functional.pad(behind, (0, num_dark))
            light = _through(self._program.u_layout, state, padded)
            return light.real if product is _real_product else light
        return product(behind, self._meshes["U"].matrix()[..., : self._program.rank].mT)

    def _behind_v(self, inputs: Tensor) -> Tensor:
        """(R, C, K, r) fields V x of the modes that have an attenuator."""
        right = self._meshes["V"].matrix()[..., : self._program.rank, :]
        return self._batched(inputs) @ right.mT

    def _batched(self, inputs: Tensor) -> Tensor:
        inputs = inputs.to(self._dtype.to_complex())
        return inputs.expand(*self._program.grid_shape, *inputs.shape[-2:])

    def _with_noise(self, values: Tensor) -> Tensor:
        if not self._read_noise:
            return values.double()
        noise = self._normal(values.shape, torch.float32).mul_(self._read_noise)
        return values.double().add_(noise)

    def _with_complex_noise(self, values: Tensor) -> Tensor:
        return torch.view_as_complex(self._with_noise(torch.view_as_real(values)))

    def _normal(self, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        # torch draws single precision in a quarter of numpy's time, and there is one per output.
        key = self._chip.generator(self._program.name, "bench", next(self._readings))
        generator = torch.Generator().manual_seed(int(key.integers(2**63)))
        return torch.randn(shape, generator=generator, dtype=dtype)


def _errors(
    program: Program, chip: Chip, layers: Sequence[Program] | None
) -> dict[str, MeshErrors]:
    """Errors of all tiles by mesh, without phase noise from shot to shot."""
    still = dataclasses.replace(chip, hardware=chip.hardware.without("shot_noise"))
    if layers is None:
        return layer_errors(program, still)
    if program.grid_shape != (sum(layer.num_tiles for layer in layers), 1):
        raise ValueError("`program` must hold the tiles of `layers` one below the other")
    drawn = [layer_errors(layer, still) for layer in layers]
    return {mesh: _joined([errors[mesh] for errors in drawn]) for mesh in MESHES}


def _joined(parts: Sequence[MeshErrors]) -> MeshErrors:
    """Errors (T, 1, ...) of the tiles of several layers (R, C, ...)."""

    def join(name: str) -> Tensor | None:
        tensors = [getattr(part, name) for part in parts]
        if tensors[0] is None:
            return None
        return torch.cat([tensor.flatten(0, 1) for tensor in tensors]).unsqueeze(1)

    return MeshErrors(**{field.name: join(field.name) for field in dataclasses.fields(MeshErrors)})


class _Mesh:
    """Errors and present state of the meshes of one kind, or of all attenuators."""

    def __init__(
        self,
        layout: MeshLayout | None,
        errors: MeshErrors,
        hardware: HardwareConfig,
        shape: tuple[int, ...],
        dtype: torch.dtype,
    ) -> None:
        self.layout, self.errors, self.shape = layout, errors, shape
        self._hardware, self._dtype = hardware, dtype
        self._omega = None
        if layout is not None and hardware.has_crosstalk:
            self._omega = crosstalk_matrix(layout, hardware).tocsc()
        optics = errors.coupler_error, errors.insertion_loss_db, errors.arm_loss_db
        self._optics = tuple(None if part is None else part.to(dtype) for part in optics)
        self.set_phases(torch.zeros(shape, dtype=torch.float64))

    def set_phases(self, command: Tensor) -> None:
        if tuple(command.shape) != self.shape:
            raise ValueError(f"`command` must have shape {self.shape}, got {tuple(command.shape)}")
        self._driven = self._drive(command, slice(None)).clone()
        self._phase = self._heat(self._driven)
        self._matrix = None

    def set_shifter(self, shifter: int, command: Tensor) -> None:
        self._driven[..., shifter] = self._drive(command[..., None], [shifter])[..., 0]
        self._phase = self._heat(self._driven)
        self._matrix = None

    def trial(self, shifter: int, commands: Tensor) -> MeshState:
        """State with one shifter at each of P commands, batch shape (P, R, C)."""
        change = self._drive(commands[..., None], [shifter])[..., 0] - self._driven[..., shifter]
        phase = self._phase.expand(len(commands), *self.shape).clone()
        for victim, share in self._victims(shifter):
            phase[..., victim] += share * change
        return MeshState(phase.to(self._dtype), *self._optics)

    @property
    def num_mzis(self) -> int:
        return self.shape[-1] // 2 if self.layout is None else self.layout.num_mzis

    def state(self) -> MeshState:
        return MeshState(self._phase.to(self._dtype), *self._optics)

    def matrix(self) -> Tensor:
        """(R, C, N, N) transfer matrices, or (R, C, r) fields of attenuators."""
        if self._matrix is None:
            if self.layout is None:
                self._matrix = attenuator_field(self.state())
            else:
                self._matrix = mesh_matrix(self.layout, self.state(), self._dtype)
        return self._matrix

    def _drive(self, command: Tensor, which: slice | list[int]) -> Tensor:
        """Driven phases before heat spreads, of some shifters."""
        errors = MeshErrors(
            gamma=_part(self.errors.gamma, which), stuck=_part(self.errors.stuck, which)
        )
        return realised_phase(command.detach().double(), errors, self._hardware, None)

    def _heat(self, driven: Tensor) -> Tensor:
        """Phases that light meets."""
        phase = driven
        if self._omega is not None:
            flat = (self._omega @ driven.numpy().reshape(-1, self.shape[-1]).T).T
            phase = torch.from_numpy(np.ascontiguousarray(flat)).reshape(self.shape)
        return phase.clone() if self.errors.offset is None else phase + self.errors.offset

    def _victims(self, shifter: int) -> list[tuple[int, float]]:
        """Shifters that a heater heats, itself among them, and how much of its phase each gets."""
        if self._omega is None:
            return [(shifter, 1.0)]
        start, stop = self._omega.indptr[shifter : shifter + 2]
        return list(
            zip(
                self._omega.indices[start:stop].tolist(),
                self._omega.data[start:stop].tolist(),
                strict=True,
            )
        )


def _part(tensor: Tensor | None, which: slice | list[int]) -> Tensor | None:
    return None if tensor is None else tensor[..., which]


def _through(layout: MeshLayout, state: MeshState, fields: Tensor) -> Tensor:
    """(..., K, N) fields behind meshes in given states."""
    m = layout.num_mzis
    return apply(
        layout,
        state.phase[..., :m],
        state.phase[..., m : 2 * m],
        state.phase[..., 2 * m :],
        fields,
        coupler_error=state.coupler_error,
        insertion_loss_db=state.insertion_loss_db,
        arm_loss_db=state.arm_loss_db,
    )


def _product(left: Tensor, right: Tensor) -> Tensor:
    return left @ right


def _real_product(left: Tensor, right: Tensor) -> Tensor:
    """Re(left right), as one real product of twice the inner size."""
    parts = torch.view_as_real(left).flatten(-2)
    return parts @ torch.view_as_real(right.conj().resolve_conj()).movedim(-1, -2).flatten(-3, -2)
