"""What the data sheet of a chip says of its meshes: mean losses and the common coupler error."""

from collections.abc import Mapping

from torch import Tensor

from photonic.chip import Chip
from photonic.hardware import HardwareConfig
from photonic.mesh_optics import MeshState
from photonic.program import Program
from photonic.realisation import layer_errors


def nominal_states(
    program: Program,
    hardware: HardwareConfig,
    phases: Mapping[str, Tensor],
) -> dict[str, MeshState]:
    """Meshes of a layer with given phases, as far as they are known without measuring.

    Mean losses of MZIs, arms and edges, and the coupler error that all chips of this kind have in
    common. Nothing is drawn.

    Args:
        program: layouts of the layer.
        hardware: data sheet.
        phases: by mesh, (R, C, S) [rad].

    Returns:
        States by mesh.
    """
    spread = dict.fromkeys(("insertion_loss_std_db", "arm_loss_std_db", "coupler_sigma_rad"), 0.0)
    known = layer_errors(program, Chip(hardware.only("loss", "coupler").replace(**spread)))
    return {
        mesh: MeshState(
            phases[mesh],
            errors.coupler_error,
            errors.insertion_loss_db,
            errors.arm_loss_db,
        )
        for mesh, errors in known.items()
    }
