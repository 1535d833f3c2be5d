"""Meshes as SAX netlists in YAML, in the form that gdsfactory shares.

``sax.load_netlist`` reads a file; ``sax.circuit`` solves it with the models of the file
``sax_models.py``, which is written beside the netlists and needs sax and jax alone. A layout tool
needs cells called phase_shifter and coupler with the ports in0, in1, out0, out1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources

from photonic.adapters.sax import Netlist, to_netlist
from photonic.export_formats.folder import NamedFile
from photonic.export_formats.meshes import TileMesh, mesh_files
from photonic.layout import MeshLayout
from photonic.phases import MeshPhases
from photonic.program import Program

SUFFIX = ".pic.yml"
"""What gdsfactory and SAX call a netlist."""
MODELS_FILE = "sax_models.py"


def sax_files(
    programs: Sequence[Program], tile: tuple[int, int] | None = None
) -> Iterator[NamedFile]:
    """One netlist per mesh of all tiles, the index ``meshes.json`` and ``sax_models.py``.

    Args:
        programs: one per layer, with different names.
        tile: row and column of the only tile wanted of each layer; None for all.

    Raises:
        ValueError: if names repeat or there is no such tile.
    """
    yield from mesh_files(programs, SUFFIX, _file_text, tile)
    yield MODELS_FILE, resources.files("photonic.adapters").joinpath(MODELS_FILE).read_bytes()


def netlist_text(layout: MeshLayout, phases: MeshPhases) -> str:
    """YAML of the netlist of a mesh, that of ``photonic.adapters.sax.to_netlist``.

    Args:
        layout: wiring of N modes and M interferometers.
        phases: settings of a single mesh.

    Returns:
        Text whose phases read back bit by bit; S[in_k, out_j] is ``transfer_matrix(...)[j, k]``.

    Raises:
        ValueError: if the phases are not those of a single mesh of this layout.
    """
    netlist = to_netlist(layout, phases.theta, phases.phi, phases.output_phase)
    lines = [*_instance_lines(netlist), *_pair_lines(netlist, "connections")]
    return "\n".join([*lines, *_pair_lines(netlist, "ports")]) + "\n"


def _file_text(mesh: TileMesh) -> str:
    row, column = mesh.tile
    title = f"# {mesh.layer!r}, tile ({row}, {column}), mesh {mesh.mesh}; phases and angles in rad"
    return f"{title}\n{netlist_text(mesh.layout, mesh.phases)}"


# A YAML library takes 40 ms for a mesh of 16 modes, and a network has thousands of meshes.
def _instance_lines(netlist: Netlist) -> Iterator[str]:
    yield "instances:"
    for name, instance in netlist["instances"].items():
        settings = ", ".join(f"{key}: {_number(x)}" for key, x in instance["settings"].items())
        yield f"  {name}: {{component: {instance['component']}, settings: {{{settings}}}}}"


def _pair_lines(netlist: Mapping[str, Mapping[str, str]], key: str) -> Iterator[str]:
    pairs = netlist[key]
    yield f"{key}:" if pairs else f"{key}: {{}}"
    for first, second in pairs.items():
        yield f"  {first}: {second}"


def _number(value: float) -> str:
    """Shortest text that reads back bit by bit; YAML 1.1 takes 1e-05 for a word, 1.0e-05 not."""
    text = repr(value + 0.0)  # -0.0 becomes 0.0
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a setting")
    mantissa, _, exponent = text.partition("e")
    return f"{mantissa}{'' if '.' in mantissa else '.0'}e{exponent}" if exponent else text
