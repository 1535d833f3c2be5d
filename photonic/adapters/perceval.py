"""Meshes as circuits of Perceval, and back.

One MZI on (y, y + 1) is PS(phi) on y, BS.Rx(pi/2 + 2 a), PS(theta) on y, BS.Rx(pi/2 + 2 b), for
BS.Rx(x) = C(x / 2); loss is a channel LC behind it on both arms, and one PS per mode follows the
last column. Perceval couples neighbours only, so a butterfly has no such circuit.

Source: Quandela/Perceval 1.3.1, components/unitary_components.py and non_unitary_components.py.
"""

import math
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from photonic.adapters.single_mesh import SingleMesh, single_mesh
from photonic.conventions import TWO_PI, wrap_phase
from photonic.layout import MeshLayout
from photonic.phases import MeshPhases

if TYPE_CHECKING:
    from perceval import BS, Circuit, Experiment

_Queue = deque[tuple[tuple[int, ...], Any]]
"""Components ahead of the light in one mode, each with all its modes; shared between those."""


def to_circuit(
    layout: MeshLayout,
    theta: Tensor,
    phi: Tensor,
    output_phase: Tensor,
    coupler_error: Tensor | None = None,
) -> "Circuit":
    """Perceval circuit of a lossless mesh.

    Args:
        layout: wiring of N modes and M interferometers between neighbours.
        theta: (M,) [rad] internal phases.
        phi: (M,) [rad] external phases.
        output_phase: (N,) [rad] screen after the last column.
        coupler_error: (M, 2) [rad] deviations (a, b) of the couplers from pi/4.

    Returns:
        Flat circuit; ``compute_unitary()`` is ``transfer_matrix`` of the same arguments. Perceval
        reduces its phases to [0, 2 pi].

    Raises:
        ValueError: if the layout couples distant modes or a shape does not fit it.
    """
    from perceval import Circuit

    settings = single_mesh(layout, theta, phi, output_phase, coupler_error)
    circuit = Circuit(layout.num_modes)
    for mode, component in _components(layout, settings):
        circuit.add(mode, component)
    return circuit


def to_experiment(
    layout: MeshLayout,
    theta: Tensor,
    phi: Tensor,
    output_phase: Tensor,
    coupler_error: Tensor | None = None,
    insertion_loss_db: Tensor | None = None,
) -> "Experiment":
    """Perceval experiment of a mesh with loss, which no ``Circuit`` can hold.

    Args:
        layout: wiring of N modes and M interferometers between neighbours.
        theta: (M,) [rad] internal phases.
        phi: (M,) [rad] external phases.
        output_phase: (N,) [rad] screen after the last column.
        coupler_error: (M, 2) [rad] deviations (a, b) of the couplers from pi/4.
        insertion_loss_db: (M,) [dB] loss of each interferometer, on both its arms.

    Returns:
        Experiment for a ``Processor``; a channel LC(1 - 10^(-insertion_loss_db / 10)) follows both
        arms of each interferometer that loses light.

    Raises:
        ValueError: if the layout couples distant modes or a shape does not fit it.
    """
    from perceval import Experiment

    settings = single_mesh(layout, theta, phi, output_phase, coupler_error, insertion_loss_db)
    experiment = Experiment(layout.num_modes)
    for mode, component in _components(layout, settings):
        experiment.add(mode, component)
    return experiment


def from_circuit(circuit: "Circuit", layout: MeshLayout) -> tuple[MeshPhases, Tensor]:
    """Phases and coupler errors of a Perceval circuit that is a mesh of this layout.

    Components may come in any order in which light can meet them, nested or with barriers; a
    missing PS is a phase of 0. Random errors that a PS announces (``max_error``) are not read.

    Args:
        circuit: components PS and BS.Rx as ``to_circuit`` arranges them, all parameters defined.
        layout: wiring of N modes and M interferometers that the circuit must have.

    Returns:
        Phases in [0, 2 pi), and (M, 2) [rad] the deviations of the couplers from pi/4 in [-pi, pi);
        ``transfer_matrix`` of both is ``circuit.compute_unitary()``.

    Raises:
        ValueError: if the circuit is anything else, or the layout couples distant modes.
    """
    _check_neighbours(layout)
    if circuit.m != layout.num_modes:
        raise ValueError(f"`circuit` must have {layout.num_modes} modes, got {circuit.m}")
    queues = _queues(circuit)
    phi, theta = np.empty((2, layout.num_mzis))
    error = np.empty((layout.num_mzis, 2))
    for k, upper in enumerate(layout.mode.tolist()):
        phi[k] = _take_phase(queues[upper])
        error[k, 0] = _take_coupler_error(queues, upper)
        theta[k] = _take_phase(queues[upper])
        error[k, 1] = _take_coupler_error(queues, upper)
    screen = np.array([_take_phase(queue) for queue in queues])
    surplus = [f"{queue[0][1].describe()} on {mode}" for mode, queue in enumerate(queues) if queue]
    if surplus:
        raise ValueError(f"`circuit` must end with this mesh, it goes on with {surplus[0]}")
    phases = (wrap_phase(torch.from_numpy(part)) for part in (theta, phi, screen))
    return MeshPhases(*phases), torch.from_numpy(error)


def _components(layout: MeshLayout, settings: SingleMesh) -> Iterator[tuple[int, Any]]:
    """First mode and component, in the order in which light meets them."""
    from perceval import BS, LC, PS

    _check_neighbours(layout)
    splitting = (math.pi / 2 + 2 * settings.coupler_error).tolist()
    loss = (1 - 10 ** (-settings.insertion_loss_db / 10)).tolist()
    for k, upper in enumerate(layout.mode.tolist()):
        yield upper, PS(float(settings.phi[k]))
        yield upper, BS.Rx(splitting[k][0])
        yield upper, PS(float(settings.theta[k]))
        yield upper, BS.Rx(splitting[k][1])
        if loss[k] > 0:
            yield from ((mode, LC(loss[k])) for mode in (upper, upper + 1))
    for mode, phase in enumerate(settings.output_phase.tolist()):
        yield mode, PS(phase)


def _check_neighbours(layout: MeshLayout) -> None:
    if (layout.partner != layout.mode + 1).any():
        raise ValueError(f"Perceval couples neighbours only, a {layout.kind} mesh distant modes")


def _queues(circuit: "Circuit") -> list[_Queue]:
    """Per mode, the components that light meets."""
    from perceval import BS, PS, Barrier, BSConvention

    if not circuit.defined:
        raise ValueError(f"`circuit` must have no open parameter, got {list(circuit.params)}")
    queues: list[_Queue] = [deque() for _ in range(circuit.m)]
    for modes, component in circuit:
        if isinstance(component, Barrier):
            continue
        is_coupler = isinstance(component, BS) and component.convention == BSConvention.Rx
        if not (isinstance(component, PS) or (is_coupler and _has_bare_ports(component))):
            found = f"{component.describe()} on {modes}"
            raise ValueError(f"`circuit` must consist of PS and bare BS.Rx, got {found}")
        entry = (modes, component)
        for mode in modes:
            queues[mode].append(entry)
    return queues


def _has_bare_ports(coupler: "BS") -> bool:
    names = ("phi_tl", "phi_bl", "phi_tr", "phi_br")
    return all(float(coupler.param(name)) % TWO_PI == 0 for name in names)


def _take_phase(queue: _Queue) -> float:
    """Phase [rad] of the shifter at the head of a mode, 0 if there is none."""
    if queue and "phi" in queue[0][1].params:
        return float(queue.popleft()[1].param("phi"))
    return 0.0


def _take_coupler_error(queues: list[_Queue], upper: int) -> float:
    """Deviation [rad] from pi/4 of the coupler at the head of (upper, upper + 1)."""
    heads = [next(iter(queues[mode]), None) for mode in (upper, upper + 1)]
    if heads[0] is None or heads[0] is not heads[1]:
        found = [head and head[1].describe() for head in heads]
        raise ValueError(
            f"`circuit` must be a mesh of this layout: on modes ({upper}, {upper + 1}) it has "
            f"{found[0]} and {found[1]} instead of one coupler"
        )
    queues[upper + 1].popleft()
    error = float(queues[upper].popleft()[1].param("theta")) / 2 - math.pi / 4
    return (error + math.pi) % TWO_PI - math.pi
