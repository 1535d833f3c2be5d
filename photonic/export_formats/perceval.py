"""Meshes as circuits that Perceval loads, written and read without Perceval.

A file holds one JSON string, the text that ``perceval.serialization.deserialize_file`` takes:
``:PCVL:zip:`` and base64 of zlib of ``:PCVL:ACircuit:`` and base64 of a protobuf message. The
components are those of ``photonic.adapters.perceval.to_circuit``, which has the same unitary.

The message, field numbers in parentheses: Circuit n_mode (2), components (4); Component
starting_mode (1), n_mode (2), phase_shifter (11) or beam_splitter (12); PhaseShifter phi (1);
BeamSplitter convention (1, 0 = Rx), theta (2), phi_tl, phi_bl, phi_tr, phi_br (3 to 6); each
parameter is a message with a double (1).

Source: Quandela/Perceval 1.3.1, serialization/serialize.py, and the descriptor of its schema
perceval.schema.Circuit in exqalibur 1.4.2; a peer test compares the bytes.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import zlib
from collections.abc import Iterator, Sequence

import torch

from photonic.adapters.single_mesh import single_mesh
from photonic.conventions import wrap_phase
from photonic.export_formats.folder import NamedFile
from photonic.export_formats.meshes import TileMesh, mesh_files
from photonic.export_formats.protobuf import (
    Value,
    double_field,
    fields,
    message_field,
    varint_field,
)
from photonic.layout import MeshLayout
from photonic.phases import MeshPhases
from photonic.program import Program

SUFFIX = ".pcvl.json"
_CIRCUIT = ":PCVL:ACircuit:"
_ZIPPED = ":PCVL:zip:"
_MODES, _COMPONENTS = 2, 4
_START, _WIDTH, _SHIFTER, _COUPLER = 1, 2, 11, 12
_COUPLER_ANGLES = range(2, 7)
"""theta and the four phases of the ports."""
_BYTES_PER_MODE_AND_COMPONENT = 128
"""Upper bound of one component; a coupler takes 77 bytes."""


def perceval_files(
    programs: Sequence[Program], tile: tuple[int, int] | None = None
) -> Iterator[NamedFile]:
    """One circuit per mesh of all tiles, and the index ``meshes.json``.

    Args:
        programs: one per layer, with different names.
        tile: row and column of the only tile wanted of each layer; None for all.

    Raises:
        ValueError: if names repeat, there is no such tile, or a mesh couples distant modes.
    """
    return mesh_files(programs, SUFFIX, _file_text, tile)


def circuit_text(layout: MeshLayout, phases: MeshPhases) -> str:
    """Text from which Perceval's ``deserialize`` makes a circuit.

    Args:
        layout: wiring of N modes and M interferometers between neighbours.
        phases: settings of a single mesh; written modulo 2 pi.

    Returns:
        ASCII; the unitary of the circuit is ``transfer_matrix`` of the same arguments.

    Raises:
        ValueError: if the layout couples distant modes or the phases are not of a single mesh.
    """
    _check_neighbours(layout)
    # -0.0 becomes 0.0.
    wrapped = (wrap_phase(part) + 0.0 for part in (phases.theta, phases.phi, phases.output_phase))
    settings = single_mesh(layout, *wrapped)
    parts = [varint_field(_MODES, layout.num_modes)]
    couplers = [
        _component(mode, 2, _COUPLER, _COUPLER_MESSAGE) for mode in range(layout.num_modes - 1)
    ]
    sites = zip(layout.mode.tolist(), settings.theta.tolist(), settings.phi.tolist(), strict=True)
    for mode, theta, phi in sites:
        parts += [_shifter(mode, phi), couplers[mode], _shifter(mode, theta), couplers[mode]]
    parts += [_shifter(mode, phase) for mode, phase in enumerate(settings.output_phase.tolist())]
    plain = _CIRCUIT + base64.b64encode(b"".join(parts)).decode()
    return _ZIPPED + base64.b64encode(zlib.compress(plain.encode())).decode()


def read_circuit_text(text: str, layout: MeshLayout) -> MeshPhases:
    """Settings of a mesh from a text that ``circuit_text`` wrote.

    Circuits arranged otherwise are for ``photonic.adapters.perceval.from_circuit``.

    Args:
        text: ``:PCVL:zip:...`` or ``:PCVL:ACircuit:...``.
        layout: wiring that the circuit must have.

    Returns:
        The phases [rad], bit by bit.

    Raises:
        ValueError: if the text is not such a circuit or is not a mesh of this layout.
    """
    _check_neighbours(layout)
    num_components = 4 * layout.num_mzis + layout.num_modes
    message = _unpacked(text, 64 + _BYTES_PER_MODE_AND_COMPONENT * num_components)
    try:
        top = list(fields(message))
        modes = [value for number, value in top if number == _MODES]
        components = [_component_content(value) for number, value in top if number == _COMPONENTS]
    except ValueError as error:
        raise ValueError(f"the circuit cannot be read: {error}") from None
    if modes != [layout.num_modes]:
        raise ValueError(f"the circuit must have {layout.num_modes} modes, got {modes}")
    values = _matched(components, layout)
    m = layout.num_mzis
    phases = torch.tensor(values, dtype=torch.float64)
    if not phases.isfinite().all():
        raise ValueError("the circuit has a phase that is not finite")
    return MeshPhases(phases[1 : 2 * m : 2], phases[0 : 2 * m : 2], phases[2 * m :])


def _file_text(mesh: TileMesh) -> str:
    return json.dumps(circuit_text(mesh.layout, mesh.phases)) + "\n"


def _check_neighbours(layout: MeshLayout) -> None:
    if (layout.partner != layout.mode + 1).any():
        raise ValueError(f"Perceval couples neighbours only, a {layout.kind} mesh distant modes")


def _parameter(number: int, value: float) -> bytes:
    return message_field(number, double_field(1, value))


_COUPLER_MESSAGE = b"".join(
    _parameter(number, math.pi / 2 if number == _COUPLER_ANGLES[0] else 0.0)
    for number in _COUPLER_ANGLES
)
"""BS.Rx(pi/2), the 50:50 coupler."""


def _component(mode: int, width: int, kind: int, content: bytes) -> bytes:
    place = varint_field(_START, mode) + varint_field(_WIDTH, width)
    return message_field(_COMPONENTS, place + message_field(kind, content))


def _shifter(mode: int, phase: float) -> bytes:
    return _component(mode, 1, _SHIFTER, _parameter(1, phase))


def _unpacked(text: str, limit: int) -> bytes:
    """The message of a text, not above a number of bytes."""
    try:
        if text.startswith(_ZIPPED):
            packed = base64.b64decode(text[len(_ZIPPED) :], validate=True)
            expander = zlib.decompressobj()
            text = expander.decompress(packed, 2 * limit).decode("ascii")
            if not expander.eof:
                raise ValueError("it is truncated, or larger than this mesh")
        if not text.startswith(_CIRCUIT):
            raise ValueError(f"it does not begin with {_CIRCUIT}")
        message = base64.b64decode(text[len(_CIRCUIT) :], validate=True)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise ValueError(f"the text is not a circuit of Perceval: {error}") from None
    if len(message) > limit:
        raise ValueError(f"the circuit is larger than this mesh: {len(message)} bytes")
    return message


def _component_content(data: Value) -> tuple[int, int, list[float]]:
    """First mode, kind and values of a component."""
    if not isinstance(data, bytes):
        raise ValueError("a component is not a message")
    content = dict(fields(data))
    mode = content.pop(_START, 0)
    content.pop(_WIDTH, None)
    if len(content) != 1 or not isinstance(mode, int):
        raise ValueError("a component is not one shifter or coupler")
    ((kind, message),) = content.items()
    if kind not in (_SHIFTER, _COUPLER) or not isinstance(message, bytes):
        raise ValueError(f"component {kind} is neither a phase shifter nor a beam splitter")
    return mode, kind, [_double(value) for _, value in fields(message)]


def _double(data: Value) -> float:
    found = list(fields(data)) if isinstance(data, bytes) else []
    if len(found) != 1 or found[0][0] != 1 or not isinstance(found[0][1], float):
        raise ValueError("a parameter is not a number")
    return found[0][1]


def _matched(components: list[tuple[int, int, list[float]]], layout: MeshLayout) -> list[float]:
    """Phases in the order of the components, phi and theta of each MZI, then the screen."""
    expected = [
        (mode, kind)
        for mode in layout.mode.tolist()
        for kind in (_SHIFTER, _COUPLER, _SHIFTER, _COUPLER)
    ] + [(mode, _SHIFTER) for mode in range(layout.num_modes)]
    found = [(mode, kind) for mode, kind, _ in components]
    if found != expected:
        raise ValueError(f"the circuit is not a {layout.kind} mesh of {layout.num_modes} modes")
    balanced = [math.pi / 2, 0.0, 0.0, 0.0, 0.0]
    for mode, kind, values in components:
        if (kind == _COUPLER and values != balanced) or (kind == _SHIFTER and len(values) != 1):
            raise ValueError(f"the circuit has a component on mode {mode} that no ideal mesh has")
    return [values[0] for _, kind, values in components if kind == _SHIFTER]
